"""The kinds of value that a setting may have, and what all sections have in common.

Owns the types that several sections use, each with the words of what is right. A type that only one section uses is
beside it. Keys are camelCase in YAML and snake_case here.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, StringConstraints
from pydantic.alias_generators import to_camel

from settings.problems import rejected, set_command

# What DNS leaves of a name's 253 characters below <group>-<project>.k8s
DOMAIN_LIMIT = 253 - len(".k8s.") - 63
# Used with `fullmatch`: `$` would let a line break at the end through.
LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_TAG, _DIGEST = r":[A-Za-z0-9_][\w.-]{0,127}", r"@sha256:[0-9a-f]{64}"


def text(value: object) -> str:
    """`value` itself. Raises the validators' error where YAML made something else of it."""
    if not isinstance(value, str):
        raise rejected("a text; quote it in YAML")
    return value


def matching(pattern: str, expected: str) -> BeforeValidator:
    """A validator of texts that are like `pattern` from beginning to end; `expected` says what that is."""
    compiled = re.compile(pattern)

    def validate(value: object) -> str:
        found = text(value)
        if not compiled.fullmatch(found):
            raise rejected(expected)
        return found

    return BeforeValidator(validate)


def _directory(value: object) -> str:
    directory = text(value)
    first, *rest = directory.removeprefix("/").split("/")
    parts = (first, *rest)
    plain = directory.startswith("/") and all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", part) for part in parts)
    system = ("bin", "boot", "dev", "etc", "lib", "proc", "run", "sbin", "sys", "tmp", "usr")
    if not plain or not rest or first in system:
        raise rejected(
            "a directory of its own for data on the machine, at least two levels deep and not one of the system's, "
            "such as /srv/gitlab"
        )
    return directory


def _adoptable(value: object) -> str:
    return KUBERNETES_FILES if value == KUBERNETES_FILES else _directory(value)


def domain_of(key: str, whose: str) -> BeforeValidator:
    """A validator of DNS domains: `key` is the setting that has it, and `whose` says what it is one of."""

    def validate(value: object) -> str:
        domain = text(value)
        if not domain:
            raise rejected(f"{whose}, such as devops.example.com")
        if not domain.isascii() or domain != domain.lower():
            raise rejected("lower-case ASCII letters, digits and hyphens", set_command(key, domain.lower().rstrip(".")))
        labels = domain.split(".")
        if labels[-1] == "local":
            raise rejected(
                "a domain outside .local, which multicast DNS answers on many machines",
                set_command(key, "devops.example.com"),
            )
        if domain.endswith("."):
            raise rejected("a domain without the final dot", set_command(key, domain.rstrip(".")))
        if (
            len(labels) < 2
            or len(domain) > DOMAIN_LIMIT
            or not all(LABEL.fullmatch(label) for label in labels)
            or labels[-1].isdigit()
        ):
            raise rejected("a DNS domain of at least two labels, such as devops.example.com")
        return domain

    return BeforeValidator(validate)


def _address(value: object) -> str:
    found = text(value)
    try:
        address = ipaddress.ip_address(found)
    except ValueError:
        raise rejected(
            "an IPv4 or IPv6 address; names are what this stack creates, so it cannot depend on one"
        ) from None
    if address.is_loopback or address.is_multicast or address.is_unspecified or address.is_link_local:
        raise rejected("an address at which the other machines reach this one")
    return str(address)


def _network(value: object) -> str:
    try:
        return str(ipaddress.ip_network(text(value)))
    except ValueError as error:
        # Its words for bits beyond the network's length help; they have the value, which may not be shown.
        detail = " (its address has bits beyond the network's length)" if "host bits" in str(error) else ""
        raise rejected(f"a network such as 192.168.80.0/24{detail}") from None


def _path(value: object) -> Path:
    """A local file's path: `~` is the user's home, a relative path starts at the project's directory."""
    return Path(text(value)).expanduser().absolute()


Domain = Annotated[str, domain_of("domain", "the platform's own DNS domain")]
Address = Annotated[str, BeforeValidator(_address)]
Network = Annotated[str, BeforeValidator(_network)]
LocalPath = Annotated[Path, BeforeValidator(_path)]
Image = Annotated[
    str,
    # Registry host with a dot or port, repository path, tag or digest: what is pulled must not depend on defaults.
    matching(
        rf"(?:[a-z0-9-]+(?:\.[a-z0-9-]+)+(?::\d+)?|localhost:\d+)/[a-z0-9._/-]+(?:{_TAG}(?:{_DIGEST})?|{_DIGEST})",
        "an image with its registry and a tag or digest, such as docker.io/library/nginx:1.28-alpine",
    ),
]
ImageRegistry = Annotated[
    str,
    matching(
        r"[a-z0-9.-]+(:\d+)?(/[a-z0-9._/-]+)?(?<!/)",
        "a registry's host, port and path without scheme, such as mirror.corp:5000/hub",
    ),
]
HttpsUrl = Annotated[
    str,
    matching(
        r"https://[A-Za-z0-9.-]+(:\d+)?(/\S*)?",
        "an https:// URL; a mirror without TLS would need an insecure engine",
    ),
]
MachineDirectory = Annotated[str, BeforeValidator(_directory)]
"""A directory for data on a machine."""
KUBERNETES_FILES = "/etc/kubernetes"
AdoptableDirectory = Annotated[str, BeforeValidator(_adoptable)]
"""One that may be adopted with somebody's files: for data, or for what a node's control plane is to read."""
Version = Annotated[str, matching(r"\d+\.\d+\.\d+", "a whole version without v, such as 1.36.3")]
Calendar = Annotated[
    str,
    matching(
        r"(?=.*[A-Za-z0-9*])[A-Za-z0-9*,./~: -]+",
        "a systemd calendar expression, such as *-*-* 03:30:00 (try: systemd-analyze calendar '...')",
    ),
]
UserName = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")]
LoginName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
Port = Annotated[int, Field(ge=1, le=65535)]


class Section(BaseModel):
    """One object of settings: camelCase keys, unknown ones refused, immutable."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, strict=False
    )

    def secret_keys(self) -> Iterator[str]:
        """The keys of all secrets that are set, as paths below the section, such as `login.password`."""
        for name, field in type(self).model_fields.items():
            yield from (f"{field.alias or name}{rest}" for rest in _secrets(getattr(self, name)))


def _secrets(value: object) -> Iterator[str]:
    match value:
        case SecretStr():
            # An empty one hides nothing.
            if value:
                yield ""
        case Section():
            yield from (f".{path}" for path in value.secret_keys())
        case dict():
            yield from (f".{key}{rest}" for key, item in value.items() for rest in _secrets(item))
        case list():
            yield from (f"[{index}]{rest}" for index, item in enumerate(value) for rest in _secrets(item))
