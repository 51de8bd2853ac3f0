"""All sections of a stack's settings, each read in itself.

Owns the keys below `auto-devops:` and turning their values into sections. Does not own any rule between sections.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from settings.ca import CaSettings
from settings.ci import CiSettings
from settings.dns import DnsSettings
from settings.gitlab import GitLabSettings
from settings.kinds import LABEL, Domain, Section
from settings.kubernetes import KubernetesSettings
from settings.machines import Hosts, HostSettings, SshSettings
from settings.mirrors import MirrorSettings
from settings.preflight import PreflightSettings
from settings.problems import Problem, Report, problems_of, set_command, shape, shown, unknown_key
from settings.projects import Projects, ProjectSettings
from settings.registry import DockerSettings, RegistrySettings

TEXTS: Mapping[str, str] = {
    "domain": "the platform's own DNS domain, such as `devops.example.com`",
    "repair": "any new value, such as today's date, runs every script on the machines again",
}
"""The keys whose values are texts, and what they are."""
REQUIRED = ("domain",)
"""Those of them that have no default."""
SECTIONS: Mapping[str, type[Section]] = {
    "ssh": SshSettings,
    "ca": CaSettings,
    "dns": DnsSettings,
    "docker": DockerSettings,
    "registry": RegistrySettings,
    "gitlab": GitLabSettings,
    "kubernetes": KubernetesSettings,
    "ci": CiSettings,
    "mirrors": MirrorSettings,
    "preflight": PreflightSettings,
}
"""The keys whose values are one object each."""
HOSTS, PROJECTS = "hosts", "projects"
"""The key with an object for every machine, and the one with a list of projects."""
KEYS = (*TEXTS, HOSTS, PROJECTS, *SECTIONS)

AnySection = TypeVar("AnySection", bound=Section)


@dataclass(frozen=True)
class Partial:
    """What is valid of a stack's settings, each in itself. None, or not there, is what was reported already."""

    domain: str | None
    repair: str
    hosts: Hosts
    projects: Projects
    has_all_projects: bool
    ssh: SshSettings | None
    ca: CaSettings | None
    dns: DnsSettings | None
    docker: DockerSettings | None
    registry: RegistrySettings | None
    gitlab: GitLabSettings | None
    kubernetes: KubernetesSettings | None
    ci: CiSettings | None
    mirrors: MirrorSettings | None
    preflight: PreflightSettings | None

    @property
    def roles(self) -> dict[str, str | None]:
        """The machines that need ports 80 and 443 for themselves, by the section that names them."""
        return {
            "registry": self.registry.host if self.registry else None,
            "gitlab": self.gitlab.host if self.gitlab else None,
            "kubernetes": self.kubernetes.host if self.kubernetes else None,
        }

    def secret_keys(self) -> Iterator[str]:
        """The keys of all secrets that are set."""
        for name in SECTIONS:
            if section := getattr(self, name):
                yield from (f"{name}.{path}" for path in section.secret_keys())
        for name, host in self.hosts.items():
            if host:
                yield from (f"hosts.{name}.{path}" for path in host.secret_keys())
        for index, project in self.projects.items():
            yield from (f"projects[{index}].{path}" for path in project.secret_keys())


def read(config: Mapping[str, Any], secret_keys: Collection[str], report: Report) -> Partial:
    """The sections from the texts that Pulumi hands over (objects as JSON) or from values already decoded.

    `secret_keys` are the top-level keys that hold a secret somewhere: nothing of their values is told.
    """
    reader = _Reader(_decoded(config, report), secret_keys, report)
    named = reader.take(PROJECTS, [])
    projects = reader.projects(named)
    partial = Partial(
        domain=reader.domain(),
        repair=str(reader.take("repair", "")),
        hosts=reader.hosts(),
        projects=projects,
        has_all_projects=isinstance(named, list) and len(projects) == len(named),
        ssh=reader.section("ssh", SshSettings),
        ca=reader.section("ca", CaSettings),
        dns=reader.section("dns", DnsSettings),
        docker=reader.section("docker", DockerSettings),
        registry=reader.section("registry", RegistrySettings),
        gitlab=reader.section("gitlab", GitLabSettings),
        kubernetes=reader.section("kubernetes", KubernetesSettings),
        ci=reader.section("ci", CiSettings),
        mirrors=reader.section("mirrors", MirrorSettings),
        preflight=reader.section("preflight", PreflightSettings),
    )
    reader.refuse_the_rest()
    return partial


def _decoded(config: Mapping[str, Any], report: Report) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, str) and key in KEYS and key not in TEXTS:
            with contextlib.suppress(json.JSONDecodeError):  # a text where an object belongs: said below
                value = json.loads(value)
            kind = list if key == PROJECTS else dict
            if not isinstance(value, kind):
                expected = "a list" if kind is list else "an object with keys of its own"
                report(Problem(key, shape(value), expected, f"see docs/settings.md, section {key}"))
                value = kind()
        values[key] = value
    return values


class _Reader:
    """Takes one value after the other out of `values`; None where it is wrong, which is told."""

    def __init__(self, values: dict[str, Any], secret_keys: Collection[str], report: Report) -> None:
        self._values, self._secret_keys, self._report = values, secret_keys, report

    def take(self, key: str, default: object) -> Any:
        return self._values.pop(key, default)

    def domain(self) -> str | None:
        try:
            return TypeAdapter(Domain).validate_python(self.take("domain", ""))
        except ValidationError as error:
            details = error.errors()[0]
            secret = "domain" in self._secret_keys
            found = (shape if secret else shown)(details["input"]) if details["input"] else "nothing"
            context = details.get("ctx", {})
            fix = (not secret and context.get("fix")) or set_command("domain", "devops.example.com")
            self._report(Problem("domain", found, str(context["expected"]), fix))
            return None

    def section(self, key: str, model: type[AnySection]) -> AnySection | None:
        return self._valid(model, self.take(key, {}), key)

    def hosts(self) -> Hosts:
        values = self.take(HOSTS, {})
        if not isinstance(values, dict) or not values:
            found = "nothing" if not values else shape(values)
            fix = set_command("hosts.registry.address", "192.168.80.112")
            self._report(Problem(HOSTS, found, "at least one machine with its address", fix))
            return {}
        for name in values:
            if not LABEL.fullmatch(str(name)):
                expected = "a machine's name of lower-case letters, digits and hyphens"
                fix = f"rename the machine: {shown(name)} is also part of resource names"
                self._report(Problem(f"hosts.{name}", shown(name), expected, fix))
        return {name: self._valid(HostSettings, value, f"hosts.{name}") for name, value in values.items()}

    def projects(self, values: object) -> Projects:
        if not isinstance(values, list):
            self._report(Problem(PROJECTS, shape(values), "a list", "see docs/settings.md, section projects"))
            return {}
        found = {i: self._valid(ProjectSettings, value, f"projects[{i}]") for i, value in enumerate(values)}
        return {index: project for index, project in found.items() if project}

    def refuse_the_rest(self) -> None:
        for key, value in self._values.items():
            self._report(unknown_key(key, value, KEYS))

    def _valid(self, model: type[AnySection], value: object, path: str) -> AnySection | None:
        try:
            return model.model_validate(value)
        except ValidationError as error:
            has_secret = re.split(r"[.\[]", path)[0] in self._secret_keys
            for problem in problems_of(error, model, path, has_secret=has_secret):
                self._report(problem)
            return None
