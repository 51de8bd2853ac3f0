"""`gitlab-rails runner`: the few Ruby statements that make and revoke access tokens.

The language here is assignments and chains of calls on literals and on the objects below:

    user = User.find_by_username('root')                    also User.find_by(username: 'root')
    user = User.admins.active.find_by(id: token&.user_id) || User.admins.active.order(:id).first || raise('none')
    token = user.personal_access_tokens.create(name: 'n', scopes: ['api'], expires_at: '2027-01-31')    also create!
    token.set_token('glpat-…')
    token.save!                                             also save
    token = PersonalAccessToken.find_by_token('glpat-…')
    user.personal_access_tokens.active.where(name: 'n').where.not(id: token.id).each(&:revoke!)
    token.revoke!
    puts token.id                                           also name, user, user_id, token, username
    365.days.from_now                                       as expires_at
    puts Gitlab::Database::BackgroundMigration::BatchedMigration.queued.count    0

Anything else ends with the line and what was not understood, and nothing of the program is done.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gitlab_standin import accounts, clock, vault
from gitlab_standin.database import Row
from gitlab_standin.errors import ApiError
from gitlab_standin.rails_program import Block, Call, Either, Program
from gitlab_standin.ruby import RubyError
from gitlab_standin.site import Site

Method = Callable[[list[Any], dict[str, Any]], Any]


class _Object:
    """Something with methods; `methods` are all that there are."""

    def __init__(self, kind: str, **methods: Method) -> None:
        self.kind = kind
        self.methods = methods


class Runner:
    """Runs programs against an installation."""

    def __init__(self, site: Site, out: Callable[[str], object]) -> None:
        self._site = site
        self._out = out
        self._names: dict[str, Any] = {
            "User": _Object(
                "User",
                find_by_username=self._user_by_name,
                find_by=self._user_by,
                admins=_reader(lambda: self._users("admin")),
            ),
            "PersonalAccessToken": _Object("PersonalAccessToken", find_by_token=self._token_by_value),
            "Gitlab::Database::BackgroundMigration::BatchedMigration": _Object(
                "BatchedMigration", queued=_no_migrations
            ),
        }

    def run(self, source: str, what: str) -> None:
        """Run a program: all of it, or nothing. Raises RubyError."""
        statements = Program(source, what).program()
        with self._site.db.transaction():
            for statement in statements:
                found = self._value(statement.value, what)
                if statement.target is not None:
                    self._names[statement.target] = found

    def _value(self, node: Any, what: str) -> Any:
        if isinstance(node, list):
            return [self._value(item, what) for item in node]
        if isinstance(node, dict):
            return {key: self._value(item, what) for key, item in node.items()}
        if isinstance(node, Either):
            first = self._value(node.first, what)
            return first if first not in (None, False) else self._value(node.second, what)
        if not isinstance(node, Call):
            return node
        try:
            return self._call(node, what)
        except RubyError as error:
            message = str(error)
            raise RubyError(message if message.startswith(what) else f"{what}, line {node.line}: {message}") from error
        except ApiError as error:
            raise RubyError(f"{what}, line {node.line}: {error.body}") from error

    def _call(self, node: Call, what: str) -> Any:
        arguments = [self._value(item, what) for item in node.arguments]
        keywords = {key: self._value(item, what) for key, item in node.keywords.items()}
        if node.name == "puts" and node.receiver is None:
            self._out(self._shown(arguments[0]))
            return None
        if node.receiver is None and node.name == "raise":
            raise RubyError(str(arguments[0]) if arguments else "unhandled exception")
        if node.receiver is None:
            if node.name not in self._names:
                raise RubyError(f"{node.name} is not defined, or not supported by the lab's GitLab")
            return self._names[node.name]
        receiver = self._value(node.receiver, what)
        if receiver is None:
            if node.safe:
                return None
            raise RubyError(f"undefined method '{node.name}' for nil")
        if isinstance(receiver, int) and not isinstance(receiver, bool) and node.name in {"day", "days"}:
            days = receiver
            return _Object("Duration", from_now=lambda _a, _k: str(datetime.now(UTC).date() + timedelta(days=days)))
        if not isinstance(receiver, _Object) or node.name not in receiver.methods:
            kind = receiver.kind if isinstance(receiver, _Object) else type(receiver).__name__
            raise RubyError(f"{node.name} of {kind} is not supported by the lab's GitLab")
        return receiver.methods[node.name](arguments, keywords)

    @staticmethod
    def _shown(value: Any) -> str:
        if isinstance(value, _Object):
            raise RubyError(f"puts of a {value.kind} is not supported by the lab's GitLab")
        if isinstance(value, list):
            return "\n".join(map(str, value))
        if value is None or isinstance(value, bool):
            return {True: "true", False: "false", None: ""}[value]
        return str(value)

    # Users

    def _user_by_name(self, arguments: list[Any], keywords: dict[str, Any]) -> Any:
        _exactly("find_by_username", arguments, keywords, 1, set())
        return self._user(str(arguments[0]))

    def _user_by(self, arguments: list[Any], keywords: dict[str, Any]) -> Any:
        _exactly("find_by", arguments, keywords, 0, {"username"})
        return self._user(str(keywords.get("username")))

    def _user(self, username: str) -> Any:
        return self._user_of(self._site.db.row("select * from users where username = ?", username))

    def _users(self, where: str) -> _Object:
        """The users for whom the condition holds, in the order of their ids."""

        def find_by(arguments: list[Any], keywords: dict[str, Any]) -> Any:
            _exactly("find_by", arguments, keywords, 0, {"id"})
            row = self._site.db.row(f"select * from users where {where} and id = ?", keywords.get("id"))
            return self._user_of(row)

        def order(arguments: list[Any], keywords: dict[str, Any]) -> Any:
            _exactly("order", arguments, keywords, 1, set())
            if arguments[0] != "id":
                raise RubyError("order takes :id only")
            return self._users(where)

        return _Object(
            "User::Relation",
            active=_reader(lambda: self._users(f"{where} and state = 'active'")),
            find_by=find_by,
            order=order,
            first=_reader(
                lambda: self._user_of(self._site.db.row(f"select * from users where {where} order by id limit 1"))
            ),
        )

    def _user_by_id(self, number: int) -> Any:
        return self._user_of(self._site.db.row("select * from users where id = ?", number))

    def _user_of(self, row: Row | None) -> Any:
        if row is None:
            return None
        return _Object(
            "User",
            personal_access_tokens=_reader(lambda: self._tokens(row, lambda _token: True)),
            username=_reader(lambda: row["username"]),
            id=_reader(lambda: row["id"]),
        )

    # Tokens

    def _tokens(self, user: Row, fits: Callable[[Row], bool]) -> _Object:
        """A user's tokens that fit."""

        def narrowed(more: Callable[[Row], bool]) -> _Object:
            return self._tokens(user, lambda row: fits(row) and more(row))

        def rows() -> list[Row]:
            found = self._site.db.rows("select * from tokens where user_id = ? order by id", user["id"])
            return [row for row in found if fits(row)]

        def where(arguments: list[Any], keywords: dict[str, Any]) -> Any:
            if not arguments and not keywords:
                return _Object("where", **{"not": lambda a, k: narrowed(lambda row: not _matches("not", a, k)(row))})
            return narrowed(_matches("where", arguments, keywords))

        def each(arguments: list[Any], keywords: dict[str, Any]) -> None:
            if len(arguments) != 1 or not isinstance(arguments[0], Block) or keywords:
                raise RubyError("each takes &:method only")
            for row in rows():
                token = self._token(row)
                if arguments[0].method not in {"revoke!", "revoke"}:
                    raise RubyError(f"&:{arguments[0].method} is not supported by the lab's GitLab")
                token.methods[arguments[0].method]([], {})

        def find_by(arguments: list[Any], keywords: dict[str, Any]) -> Any:
            matching = _matches("find_by", arguments, keywords)
            return next((self._token(row) for row in rows() if matching(row)), None)

        def create(arguments: list[Any], keywords: dict[str, Any]) -> Any:
            return self._create(user, arguments, keywords)

        return _Object(
            "PersonalAccessToken::Relation",
            **{
                "active": _reader(
                    lambda: narrowed(lambda row: not row["revoked"] and not clock.expired(row["expires_at"]))
                ),
                "where": where,
                "each": each,
                "find_by": find_by,
                "create": create,
                "create!": create,
                "count": _reader(lambda: len(rows())),
            },
        )

    def _create(self, user: Row, arguments: list[Any], keywords: dict[str, Any]) -> _Object:
        _exactly("create", arguments, keywords, 0, {"name", "scopes", "expires_at", "description"})
        scopes = [str(scope) for scope in keywords.get("scopes") or []]
        unknown = set(scopes) - set(accounts.PERSONAL_SCOPES)
        if not keywords.get("name") or not scopes or unknown:
            raise RubyError(f"a token needs a name and known scopes (unknown: {', '.join(sorted(unknown)) or 'none'})")
        row = accounts.issue_token(
            self._site,
            user,
            str(keywords["name"]),
            scopes,
            accounts.token_expiry(None if keywords.get("expires_at") is None else str(keywords["expires_at"])),
            vault.new_token("glpat-"),
            keywords.get("description"),
        )
        return self._token(row)

    def _token_by_value(self, arguments: list[Any], keywords: dict[str, Any]) -> Any:
        _exactly("find_by_token", arguments, keywords, 1, set())
        digest = self._site.vault.digest(str(arguments[0]))
        row = self._site.db.row("select * from tokens where digest = ?", digest)
        return self._token(row) if row else None

    def _token(self, row: Row) -> _Object:
        pending: dict[str, str] = {}

        def set_token(arguments: list[Any], keywords: dict[str, Any]) -> None:
            _exactly("set_token", arguments, keywords, 1, set())
            if len(str(arguments[0])) < 20:
                raise RubyError("a token has at least 20 characters")
            pending["digest"] = self._site.vault.digest(str(arguments[0]))

        def save() -> bool:
            self._site.db.update("tokens", row["id"], **pending)
            return True

        def revoke() -> bool:
            self._site.db.update("tokens", row["id"], revoked=1)
            return True

        return _Object(
            "PersonalAccessToken",
            **{
                "set_token": set_token,
                "save!": _reader(save),
                "save": _reader(save),
                "revoke!": _reader(revoke),
                "revoke": _reader(revoke),
                "id": _reader(lambda: row["id"]),
                "name": _reader(lambda: row["name"]),
                "user": _reader(lambda: self._user_by_id(row["user_id"])),
                "user_id": _reader(lambda: row["user_id"]),
                "expires_at": _reader(lambda: row["expires_at"]),
            },
        )


def _reader(read: Callable[[], Any]) -> Method:
    """A method without arguments."""

    def method(arguments: list[Any], keywords: dict[str, Any]) -> Any:
        if arguments or keywords:
            raise RubyError("wrong number of arguments: none are expected")
        return read()

    return method


def _no_migrations(_arguments: list[Any], _keywords: dict[str, Any]) -> _Object:
    """There are none here: the database is brought up to date at the start."""
    return _Object("BatchedMigration::Relation", count=_reader(lambda: 0))


def _exactly(name: str, arguments: list[Any], keywords: dict[str, Any], count: int, allowed: set[str]) -> None:
    if len(arguments) != count:
        raise RubyError(f"{name}: wrong number of arguments (given {len(arguments)}, expected {count})")
    if set(keywords) - allowed:
        raise RubyError(f"{name}: {', '.join(sorted(set(keywords) - allowed))} is not supported by the lab's GitLab")


def _matches(name: str, arguments: list[Any], keywords: dict[str, Any]) -> Callable[[Row], bool]:
    _exactly(name, arguments, keywords, 0, {"name", "id", "revoked"})
    return lambda row: all(
        row[key] == (int(value) if isinstance(value, bool) else value) for key, value in keywords.items()
    )


def read_program(argument: str) -> tuple[str, str]:
    """The program of the runner's argument: `-` for standard input, a file, or the code itself; and what to call it."""
    if argument == "-":
        return sys.stdin.read(), "standard input"
    file = Path(argument)
    try:
        if file.is_file():
            return file.read_text(), argument
    except OSError:
        # Code may be too long for a file's name.
        pass
    return argument, "the given code"


__all__ = ["RubyError", "Runner", "read_program"]
