"""Rules between sections: who may share a machine, and what needs what.

Owns what cannot be said of one section alone. Works on the sections that are valid in themselves; a rule about one that
is not waits until it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from names import AGENT_RELEASE
from settings.ci import CiSettings
from settings.gitlab import GitLabSettings
from settings.kubernetes import KubernetesSettings
from settings.machines import Hosts, Machine
from settings.machines import read as read_machines
from settings.problems import Problem, Report, remove_command, set_command, shown
from settings.projects import Projects
from settings.sections import Partial


def check(partial: Partial, report: Report) -> None:
    """All rules between sections that the valid ones allow."""
    hosts, roles = partial.hosts, partial.roles
    _references({"dns": partial.dns.host if partial.dns else None} | roles, hosts, report)
    _ports(roles, hosts, report)
    if partial.kubernetes:
        _workers(partial.kubernetes, hosts, roles, report)
    if partial.projects:
        for role, what in {"gitlab": "GitLab's machine", "kubernetes": "the cluster's machine"}.items():
            if roles[role] is None:
                expected = f"{what}, as there are projects"
                report(Problem(f"{role}.host", "nothing", expected, set_command(f"{role}.host")))
    if partial.ci:
        _pipelines(partial.ci, partial.gitlab, partial.kubernetes, partial.projects, report)


def machines(partial: Partial, report: Report) -> dict[str, Machine]:
    """The machines as they are reached; GitLab may move the sshd of its own. See `settings.machines.read`."""
    gitlab = partial.gitlab
    if not partial.ssh:
        return {}
    if not gitlab or not gitlab.host:
        return read_machines(partial.ssh, partial.hosts, (), report)
    found = read_machines(partial.ssh, partial.hosts, (gitlab.host,), report)
    if machine := found.get(gitlab.host):
        port, moves_from = gitlab.sshd(machine.port)
        keeps = moves_from is not None and gitlab.ssh_port != moves_from
        found[gitlab.host] = replace(machine, port=port, moves_from=moves_from, keeps_old_port=keeps)
        if moves_from and not keeps:
            _passable(machine.address, moves_from, found, report)
    return found


def _passable(address: str, moves_from: int, machines: Mapping[str, Machine], report: Report) -> None:
    """Nobody is reached through an sshd that leaves its port meanwhile."""
    for name, machine in machines.items():
        if machine.jump and (machine.jump.address, machine.jump.port) == (address, moves_from):
            found = (
                f"{moves_from}, which the sshd of {address} leaves to GitLab, and hosts.{name} is reached through it"
            )
            expected = "another port for git by SSH, or another jump host"
            report(Problem("gitlab.sshPort", found, expected, set_command("gitlab.sshPort", "2224")))
            return


def _references(roles: Mapping[str, str | None], hosts: Hosts, report: Report) -> None:
    if not hosts:
        return
    names = sorted(hosts)
    for role, host in roles.items():
        if host is not None and host not in hosts:
            key, expected = f"{role}.host", "a machine under hosts: " + ", ".join(names)
            report(Problem(key, shown(host), expected, set_command(key, names[0])))


def _ports(roles: Mapping[str, str | None], hosts: Hosts, report: Report) -> None:
    taken: dict[str, str] = {}
    for role, host in roles.items():
        if host is None:
            continue
        if host in taken:
            free = next((name for name in hosts if name not in roles.values()), "ANOTHER-MACHINE")
            expected = f"a machine of its own: {taken[host]} already needs ports 80 and 443 of {host}"
            report(Problem(f"{role}.host", shown(host), expected, set_command(f"{role}.host", free)))
        taken.setdefault(host, role)


def _workers(
    kubernetes: KubernetesSettings, hosts: Hosts, placements: Mapping[str, str | None], report: Report
) -> None:
    """See `_ports` for the control plane's machine."""
    names = sorted(hosts)
    roles = {host: role for role, host in placements.items()}
    for index, worker in enumerate(kubernetes.workers):
        key = f"kubernetes.workers[{index}]"
        if worker not in hosts:
            report(Problem(key, shown(worker), "a machine under hosts: " + ", ".join(names), remove_command(key)))
        elif worker == kubernetes.host or worker in kubernetes.workers[:index]:
            report(Problem(key, shown(worker), "a machine that is not a node already", remove_command(key)))
        elif role := roles.get(worker):
            # Ingress has ports 80 and 443 of every node, and Docker's firewall drops what goes from one pod to another.
            expected = (
                f"a machine without ports 80 and 443 and the Docker engine of another role; {role}.host is this one"
            )
            report(Problem(key, shown(worker), expected, remove_command(key)))
    if kubernetes.workers and not kubernetes.host:
        fix = set_command("kubernetes.host", names[0] if names else "NAME")
        report(Problem("kubernetes.host", "nothing", "the control plane's machine, as there are workers", fix))


def _pipelines(
    ci: CiSettings,
    gitlab: GitLabSettings | None,
    kubernetes: KubernetesSettings | None,
    projects: Projects,
    report: Report,
) -> None:
    """What a runner in the cluster and GitLab's agents need."""
    if ci.runner == "kubernetes" and kubernetes and not kubernetes.host:
        expected = "docker, as there is no cluster; or a machine for one in kubernetes.host"
        report(Problem("ci.runner", shown(ci.runner), expected, set_command("ci.runner", "docker")))
    if ci.cluster_link != "agent" or not gitlab:
        return
    if not gitlab.kas:
        expected = "true, as ci.clusterLink is agent: agents connect to GitLab's KAS"
        fix = f"{set_command('gitlab.kas', 'true')}, or {set_command('ci.clusterLink', 'kubeconfig')}"
        report(Problem("gitlab.kas", "false", expected, fix))
    for index, project in projects.items():
        if project.name == AGENT_RELEASE:
            key = f"projects[{index}].name"
            expected = "another name: its release in the namespace would be the one of GitLab's agent"
            report(Problem(key, shown(project.name), expected, set_command(key, "hello")))
