"""How `gitlab-rails runner` reads its program: assignments, and chains of calls on literals and names.

What the names stand for, and what their methods do, is in rails_runner.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gitlab_standin.ruby import Reader, Token


@dataclass
class Call:
    """`receiver.name(arguments)`; a receiver None is a name on its own."""

    receiver: Any
    name: str
    arguments: list[Any]
    keywords: dict[str, Any]
    line: int
    safe: bool = False


@dataclass
class Either:
    """`first || second`"""

    first: Any
    second: Any


@dataclass
class Statement:
    target: str | None
    value: Any
    line: int


class Program(Reader):
    """Reads a program."""

    def program(self) -> list[Statement]:
        found = []
        self.skip_newlines()
        while self.token.kind != "end":
            found.append(self._statement())
            self.end_of_statement()
        return found

    def _statement(self) -> Statement:
        line = self.token.line
        target = None
        if self.token.kind == "name" and self.peek().text == "=" and self.peek().kind == "operator":
            target = self.take().text
            self.take()
        if target is None and self.at("puts"):
            self.take()
            return Statement(None, Call(None, "puts", [self.value()], {}, line), line)
        return Statement(target, self.value(), line)

    def value(self) -> object:
        found = self._chain()
        return Either(found, self.value()) if self.accept("||") else found

    def _chain(self) -> object:
        token = self.token
        found: object
        if token.kind == "name" and token.text not in {"true", "false", "nil"}:
            self.take()
            while self.at("::") and self.peek().kind == "name":
                self.take()
                token = Token("name", f"{token.text}::{self.take().text}", token.line)
            arguments = self._arguments()[0] if token.text == "raise" and self.accept("(") else []
            found = Call(None, token.text, arguments, {}, token.line)
        else:
            found = self.literal()
        while self.at(".", "&.") or self._continued():
            self.skip_newlines()
            safe = self.take().text == "&."
            if self.token.kind != "name":
                self.fail("expected a method's name")
            line = self.token.line
            name = self.take().text
            arguments, keywords = self._arguments() if self.accept("(") else ([], {})
            found = Call(found, name, arguments, keywords, line, safe)
        return found

    def _continued(self) -> bool:
        """Whether the next line goes on with a dot."""
        ahead = 0
        while self.peek(ahead).kind == "newline":
            ahead += 1
        return ahead > 0 and self.peek(ahead).kind == "operator" and self.peek(ahead).text == "."

    def _arguments(self) -> tuple[list[Any], dict[str, Any]]:
        arguments: list[Any] = []
        keywords: dict[str, Any] = {}
        self.skip_newlines()
        while not self.accept(")"):
            if self.accept("&"):
                if self.token.kind != "symbol":
                    self.fail("expected a symbol after &")
                arguments.append(Block(self.take().text[1:]))
            elif self.token.kind == "label":
                key = self.take().text[:-1]
                self.skip_newlines()
                keywords[key] = self.value()
            else:
                arguments.append(self.value())
            self.skip_newlines()
            if not self.accept(","):
                self.expect(")")
                break
            self.skip_newlines()
        return arguments, keywords


@dataclass
class Block:
    """&:method"""

    method: str
