"""The little of Ruby that configuration and `gitlab-rails runner` are written in here: tokens and literals.

Anything outside it ends with a RubyError that names the line and the text that was not understood.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\r]+|\\\n|\#[^\n]*)
    | (?P<newline>\n|;)
    | (?P<float>-?\d[\d_]*\.\d+)
    | (?P<integer>-?\d[\d_]*)
    | (?P<single>'(?:\\.|[^'\\])*')
    | (?P<double>"(?:\\.|[^"\\])*")
    | (?P<words>%w\[[^\]]*\]|%w\([^)]*\)|%i\[[^\]]*\])
    | (?P<symbol>:[A-Za-z_]\w*[?!]?)
    | (?P<label>[A-Za-z_]\w*:(?!:))
    | (?P<name>[A-Za-z_]\w*[?!]?)
    | (?P<operator>=>|==|!=|&&|\|\||&\.|\|\|=|::|[=\[\]{}(),.&!|<>+-])
    """,
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "e": "\x1b", "s": " ", "0": "\0", "r": "\r", "#": "#"}


class RubyError(ValueError):
    """Text that is not in the supported part of the language."""


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    line: int


class Symbol(str):
    """A Ruby symbol; equal to its name as a string."""

    __slots__ = ()


def tokens(source: str) -> list[Token]:
    """Split a source; ends with an `end` token. Raises RubyError."""
    found: list[Token] = []
    position, line = 0, 1
    while position < len(source):
        match = _TOKEN.match(source, position)
        if match is None or match.lastgroup is None:
            rest = source[position:].split("\n", 1)[0]
            raise RubyError(f"line {line}: not understood: {rest!r}")
        if match.lastgroup != "space":
            found.append(Token(match.lastgroup, match.group(), line))
        line += match.group().count("\n")
        position = match.end()
    found.append(Token("end", "", line))
    return found


class Reader:
    """Reads tokens one after the other; the base of the two parsers."""

    def __init__(self, source: str, what: str) -> None:
        self.what = what
        self.lines = source.split("\n")
        self._tokens = tokens(source)
        self._next = 0

    @property
    def token(self) -> Token:
        return self._tokens[self._next]

    def peek(self, ahead: int = 1) -> Token:
        return self._tokens[min(self._next + ahead, len(self._tokens) - 1)]

    def take(self) -> Token:
        token = self.token
        if token.kind != "end":
            self._next += 1
        return token

    def at(self, *texts: str) -> bool:
        return self.token.kind in {"operator", "name"} and self.token.text in texts

    def accept(self, text: str) -> bool:
        if self.at(text):
            self.take()
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.accept(text):
            self.fail(f"expected {text!r}")

    def skip_newlines(self) -> None:
        while self.token.kind == "newline":
            self.take()

    def end_of_statement(self) -> None:
        if self.token.kind not in {"newline", "end"}:
            self.fail("expected the end of the line")
        self.skip_newlines()

    def fail(self, problem: str) -> NoReturn:
        line = self.token.line
        raise RubyError(
            f"{self.what}, line {line}: {problem}, found {self.token.text!r}: {self.lines[line - 1].strip()}"
        )

    def literal(self) -> object:
        """A string, number, symbol, true, false, nil, array or hash."""
        token = self.token
        if token.kind in {"single", "double", "integer", "float", "symbol", "words"}:
            return self._scalar(self.take())
        if self.accept("["):
            return self._array()
        if self.accept("{"):
            return self._hash()
        if token.kind == "name" and token.text in {"true", "false", "nil"}:
            self.take()
            return {"true": True, "false": False, "nil": None}[token.text]
        return self.fail("expected a string, number, boolean, nil, array or hash")

    def _scalar(self, token: Token) -> object:
        match token.kind:
            case "single":
                return re.sub(r"\\(['\\])", r"\1", token.text[1:-1])
            case "double":
                return self._double(token)
            case "integer":
                return int(token.text.replace("_", ""))
            case "float":
                return float(token.text)
            case "words":
                words = token.text[3:-1].split()
                return [Symbol(word) for word in words] if token.text.startswith("%i") else words
        return Symbol(token.text[1:])

    def _double(self, token: Token) -> str:
        text = token.text[1:-1]
        if re.search(r"(?<!\\)#\{", text):
            raise RubyError(f"{self.what}, line {token.line}: interpolation is not supported: {token.text}")

        def escape(match: re.Match[str]) -> str:
            if match.group(1) not in _ESCAPES:
                raise RubyError(f"{self.what}, line {token.line}: escape {match.group()} is not supported")
            return _ESCAPES[match.group(1)]

        return re.sub(r"\\(.)", escape, text, flags=re.DOTALL)

    def _array(self) -> list[object]:
        items: list[object] = []
        self.skip_newlines()
        while not self.accept("]"):
            items.append(self.value())
            self.skip_newlines()
            if not self.accept(","):
                self.skip_newlines()
                self.expect("]")
                break
            self.skip_newlines()
        return items

    def _hash(self) -> dict[object, object]:
        found: dict[object, object] = {}
        self.skip_newlines()
        while not self.accept("}"):
            key = self.key()
            self.skip_newlines()
            found[key] = self.value()
            self.skip_newlines()
            if not self.accept(","):
                self.skip_newlines()
                self.expect("}")
                break
            self.skip_newlines()
        return found

    def key(self) -> object:
        """A hash's key with its arrow or colon."""
        if self.token.kind == "label":
            return Symbol(self.take().text[:-1])
        key = self.literal()
        self.expect("=>")
        return key

    def value(self) -> object:
        """What an array or hash holds; richer languages override it."""
        return self.literal()
