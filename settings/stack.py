"""A stack's settings as a whole: read, checked, every problem told at once.

Owns the order of reading and checking, and what follows from several sections. What one section may be is in its own
module, what two may not be together in `placement.py`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from names import METRICS_SERVER, Names
from settings import ca, dns, gitlab, kubernetes, machines, mirrors, placement, projects, sections
from settings.ca import CaSettings, OwnCa, Served
from settings.ci import CiSettings
from settings.dns import DnsSettings
from settings.gitlab import GitLabSettings
from settings.kubernetes import KubernetesSettings
from settings.machines import Machine
from settings.mirrors import Downloads
from settings.preflight import PreflightSettings
from settings.problems import Problem, set_command
from settings.projects import ProjectSettings
from settings.registry import DockerSettings, RegistrySettings
from settings.sections import Partial


@dataclass(frozen=True)
class Stack:
    """All settings of a stack, valid together, and the files that they name, read."""

    names: Names
    repair: str
    ca: CaSettings
    dns: DnsSettings
    docker: DockerSettings
    registry: RegistrySettings
    gitlab: GitLabSettings
    kubernetes: KubernetesSettings
    ci: CiSettings
    projects: list[ProjectSettings]
    machines: Mapping[str, Machine]
    own_ca: OwnCa | None
    downloads: Downloads
    preflight: PreflightSettings

    @property
    def domain(self) -> str:
        """The platform's own."""
        return self.names.domain

    @property
    def kept_repositories(self) -> list[str]:
        """The projects that must not go with their entry in the settings, as the stack's output has them."""
        return sorted(project.path for project in self.projects if project.keep_repository)

    def records(self) -> dict[str, str]:
        """Every name below the domain that the platform needs, and its address."""
        records = {"docker": self.registry.host, "registry": self.registry.host}
        if self.gitlab.host:
            records["gitlab"] = self.gitlab.host
        if self.kubernetes.host:
            records |= {"k8s": self.kubernetes.host, "*.k8s": self.kubernetes.host}
        return {name: self.machines[host].address for name, host in records.items()} | self.dns.records


class SettingsError(Exception):
    """The settings are wrong; `problems` has all of them."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = problems


def parse(
    config: Mapping[str, Any],
    secret_keys: Collection[str] = (),
    kept_repositories: Sequence[str] = (),
    branches: Mapping[str, str | None] | None = None,
) -> Stack:
    """Settings from the texts that Pulumi hands over (objects as JSON) or from values already decoded.

    `secret_keys` are the top-level keys that hold a secret somewhere, `kept_repositories` the projects (group/name)
    that the stack has and may not delete, `branches` all that it has, with their default branches where known. Raises
    `SettingsError` with all problems.
    """
    problems: list[Problem] = []
    report = problems.append
    partial = sections.read(config, secret_keys, report)
    machines.check(partial.hosts, report)
    if partial.dns:
        dns.check(partial.dns, partial.domain, partial.hosts, report)
    if partial.kubernetes:
        kubernetes.check(partial.kubernetes, partial.hosts, report)
    if partial.gitlab and partial.gitlab.host and partial.ssh:
        host = partial.hosts.get(partial.gitlab.host)
        gitlab.check(partial.gitlab, machines.sshd_port(partial.ssh, host), report)
    projects.check(partial.projects, branches or {}, report)
    if partial.has_all_projects:
        projects.check_kept(kept_repositories, partial.projects, report)
    own_ca = ca.check(partial.ca, _served(partial), report) if partial.ca else None
    mirror_ca = mirrors.check(partial.mirrors, report) if partial.mirrors else None
    placement.check(partial, report)
    reached = placement.machines(partial, report)
    for key in partial.secret_keys():
        # Pulumi marks the whole top-level key as secret when anything inside it is.
        if re.split(r"[.\[]", key)[0] not in secret_keys:
            report(Problem(key, "plain text", "an encrypted secret", set_command(key, secret=True)))
    if (
        problems
        or partial.domain is None
        or partial.ssh is None
        or partial.ca is None
        or partial.dns is None
        or partial.docker is None
        or partial.registry is None
        or partial.gitlab is None
        or partial.kubernetes is None
        or partial.ci is None
        or partial.mirrors is None
        or partial.preflight is None
    ):
        raise SettingsError(problems)
    return Stack(
        names=Names(partial.domain),
        repair=partial.repair,
        ca=partial.ca,
        dns=partial.dns,
        docker=partial.docker,
        registry=partial.registry,
        gitlab=partial.gitlab,
        kubernetes=partial.kubernetes,
        ci=partial.ci,
        projects=list(partial.projects.values()),
        machines=reached,
        own_ca=own_ca,
        downloads=Downloads(partial.mirrors, mirror_ca, partial.docker.registry_mirrors or partial.mirrors.docker_hub),
        preflight=partial.preflight,
    )


def _served(partial: Partial) -> Served:
    """What the CA's certificates are for (the calls of `issue_server` in the components)."""
    if not partial.domain:
        return [], []
    names = Names(partial.domain).wildcards
    if partial.roles["kubernetes"]:
        names = [*names, METRICS_SERVER]
    hosts = [partial.hosts.get(name) for name in partial.roles.values() if name]
    return names, [host.address for host in hosts if host]
