"""A job's variables: later ones win, values may refer to others, and those of type file are paths to files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

_REFERENCE = re.compile(r"\$(?:(\$)|\{(\w+)\}|(\w+))")


@dataclass(frozen=True)
class Variable:
    """One variable as GitLab sends it."""

    key: str
    value: str
    public: bool = False
    masked: bool = False
    file: bool = False
    raw: bool = False


class Variables:
    """The variables of a job, with references between them resolved once at the start."""

    def __init__(self, variables: Iterable[Variable], folder: str) -> None:
        """`folder` is where the files of those of type file are written to in a container."""
        # A key that comes again takes the place of the first: what refers to it gets the later value.
        self._all = {each.key: each for each in variables}
        self._folder = folder
        self._resolved = {key: self._resolve(key, ()) for key in self._all}

    def __iter__(self) -> Iterator[Variable]:
        """All of them with their final values; the value of a file is its content."""
        for key, each in self._all.items():
            yield replace(each, value=self._content(each, ()) if each.file else self._resolved[key])

    def path(self, variable: Variable) -> str:
        """Where the file of a variable of type file is."""
        return f"{self._folder}/{variable.key}"

    def get(self, key: str, default: str = "") -> str:
        """The value that a job's script sees: of a file, its path."""
        return self._resolved.get(key, default)

    def expand(self, text: str) -> str:
        """A text with the references in it replaced."""
        return _REFERENCE.sub(lambda match: match[1] or self.get(match[2] or match[3]), text)

    def enabled(self, key: str) -> bool:
        """Whether a variable is set to what GitLab takes for yes."""
        return self.get(key).lower() in ("1", "true", "yes")

    def secrets(self) -> list[str]:
        """The values that must not be shown."""
        return [each.value for each in self if each.masked and each.value]

    def _resolve(self, key: str, within: tuple[str, ...]) -> str:
        each = self._all.get(key)
        if each is None or key in within:
            return ""  # unknown, or it refers to itself
        return self.path(each) if each.file else self._content(each, within)

    def _content(self, each: Variable, within: tuple[str, ...]) -> str:
        if each.raw:
            return each.value
        within = (*within, each.key)
        return _REFERENCE.sub(lambda match: match[1] or self._resolve(match[2] or match[3], within), each.value)
