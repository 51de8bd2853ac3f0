"""An action's parameters: read by type, and every one that the action does not know is refused by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from standins.alidns.errors import invalid, missing, unsupported

# Of every request: the signature's, and what has no effect here (answers are in English, whatever Lang says).
_COMMON = set(
    "Action Version Format AccessKeyId Signature SignatureMethod SignatureVersion SignatureType SignatureNonce "
    "Timestamp RegionId Lang UserClientIp".split()
)


class Parameters:
    def __init__(self, action: str, found: Mapping[str, str], known: Iterable[str]) -> None:
        # Clients leave out what is empty, or send it empty; upstream's Go client does both.
        self._found = {name: value for name, value in found.items() if value}
        for name in self._found:
            # ResourceId.1, Tag.2.Key: lists, as the API flattens them.
            if name.partition(".")[0] not in {*_COMMON, *known}:
                raise unsupported(action, f"the parameter {name}")

    def text(self, name: str) -> str:
        """One that must be there."""
        if name not in self._found:
            raise missing(name)
        return self._found[name]

    def optional(self, name: str, default: str = "") -> str:
        return self._found.get(name, default)

    def number(self, name: str, default: int, least: int = 0, most: int | None = None) -> int:
        value = self._found.get(name)
        if value is None:
            return default
        if not value.isascii() or not value.isdecimal():
            raise invalid(name)
        found = int(value)
        if found < least or (most is not None and found > most):
            raise invalid(name)
        return found

    def flag(self, name: str) -> bool:
        value = self._found.get(name, "false").lower()
        if value not in {"true", "false"}:
            raise invalid(name)
        return value == "true"

    def choice(self, name: str, values: Iterable[str], default: str) -> str:
        """In upper case, whatever the client's: the documentation writes Enable, the provider ENABLE."""
        found = self._found.get(name, default).upper()
        if found and found not in values:
            raise invalid(name)
        return found

    def several(self, name: str) -> list[str]:
        """`name.1`, `name.2`, … in their order."""
        numbered = [(key.partition(".")[2], value) for key, value in self._found.items() if key.startswith(f"{name}.")]
        if any(not number.isdecimal() for number, _ in numbered):
            raise invalid(name)
        return [value for _, value in sorted(numbered, key=lambda pair: int(pair[0]))]
