"""Where Debian packages come from: the computer's own apt configuration, read when it is needed, never written down.

Only Debian's own suites are taken over; what else the computer has in its sources stays there. The packages of another
release are where those of the computer's own are, in suites of its name.
"""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from lab.inventory import BOOKWORM
from lab.steps import LabError

_OWN = BOOKWORM
"""The computer's release: the lab runs on no other (bootstrap.sh)."""
_SUITES = (_OWN, f"{_OWN}-updates", f"{_OWN}-security")
_APT = Path("/etc/apt")
_CARRIED_OVER = ("Acquire::Check-Valid-Until", "Acquire::Check-Date", "Acquire::Retries")


@dataclass(frozen=True)
class Source:
    """One archive: its URI and the suites and components that are wanted of it."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]


def sources(release: str) -> list[Source]:
    """Debian's archives as this computer has them, with the suites of `release`."""
    found = []
    for path in sorted(_APT.glob("sources.list.d/*.sources")):
        found += _deb822(path.read_text())
    for path in (_APT / "sources.list", *sorted(_APT.glob("sources.list.d/*.list"))):
        if path.exists():
            found += _one_line(path.read_text())
    if not any(_OWN in source.suites for source in found):
        raise LabError(
            f"{_APT} has no source of Debian's suite {_OWN}",
            f"add one in {_APT / 'sources.list.d'}",
        )
    return [replace(source, suites=tuple(_of(release, suite) for suite in source.suites)) for source in found]


def debootstrap_uri(release: str) -> str:
    """The archive that has the release itself."""
    return next(source.uri for source in sources(release) if release in source.suites)


def sources_list(release: str) -> str:
    """The same sources for a lab machine of that release, as /etc/apt/sources.list."""
    return "".join(
        f"deb {source.uri} {suite} {' '.join(source.components)}\n"
        for source in sources(release)
        for suite in source.suites
    )


def settings() -> str:
    """What of the computer's apt.conf the lab's machines need too, or that makes their package lists smaller."""
    lines = [f'{key} "{value}";' for key in _CARRIED_OVER if (value := _setting(key))]
    return "\n".join([*lines, 'Acquire::Languages "none";', 'APT::Install-Recommends "false";', ""])


def proxy() -> str:
    """The proxy this computer's apt uses for http, or an empty text."""
    return _setting("Acquire::http::Proxy")


def _setting(key: str) -> str:
    line = subprocess.run(["apt-config", "shell", "VALUE", key], capture_output=True, text=True, check=True).stdout
    return "".join(word.removeprefix("VALUE=") for word in shlex.split(line))


def _of(release: str, suite: str) -> str:
    return release + suite.removeprefix(_OWN)


def _wanted(suites: list[str]) -> tuple[str, ...]:
    return tuple(suite for suite in suites if suite in _SUITES)


def _deb822(text: str) -> list[Source]:
    found = []
    for paragraph in text.split("\n\n"):
        fields: dict[str, str] = {}
        key = ""
        for line in paragraph.splitlines():
            if line.startswith("#"):
                continue
            if line[:1].isspace():
                fields[key] += " " + line.strip()
            elif ":" in line:
                key, _, value = line.partition(":")
                key = key.lower()
                fields[key] = value.strip()
        suites = _wanted(fields.get("suites", "").split())
        if suites and "deb" in fields.get("types", "").split() and fields.get("enabled", "yes").lower() != "no":
            components = tuple(fields.get("components", "").split())
            found += [Source(uri, suites, components) for uri in fields.get("uris", "").split()]
    return found


def _one_line(text: str) -> list[Source]:
    found = []
    for line in text.splitlines():
        words = line.split("#", 1)[0].split()
        if words[:1] != ["deb"]:
            continue
        words = words[1:]
        if words and words[0].startswith("["):
            end = next((i for i, word in enumerate(words) if word.endswith("]")), len(words) - 1)
            words = words[end + 1 :]
        if len(words) >= 3 and (suites := _wanted([words[1]])):
            found.append(Source(words[0], suites, tuple(words[2:])))
    return found
