"""Which checks run on which machine.

Owns: gathering them. A component's own check is beside its script; those of the preflight are in `preflight/scripts`,
and have the name of the resource that needs what they look for: what was begun already is only warned of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from components import dns, gitlab_runner, gitlab_server, host, k8s_node, registry_host
from components.host import Check
from preflight import needs
from settings import Stack

SCRIPTS = Path(__file__).parent / "scripts"
ENOUGH = 83
"""Per cent of the memory asked for: what a machine that was sold as 2 GB has, by kubeadm's own limit of 1700 MB."""


def checks(stack: Stack, reached: Collection[str]) -> dict[str, list[Check]]:
    """The checks of every machine, by its name; ports of machines that were not `reached` are not looked for."""
    found: dict[str, list[Check]] = {name: [] for name in stack.machines}
    for check in (*_components(stack), *_own(stack, reached)):
        found[check.machine.name].append(check)
    return found


def _components(stack: Stack) -> Iterator[Check]:
    """What the components look for before their scripts change anything."""
    machines, names, domain = stack.machines, stack.names, stack.domain
    yield from map(host.check, machines.values())
    server = ""
    if stack.dns.host:
        server = machines[stack.dns.host].address
        yield dns.check("dns", machines[stack.dns.host], domain)
        yield from (dns.resolver_check("dns", machine, server, domain) for machine in machines.values())
    downloads = stack.downloads
    pulled = registry_host.images(stack.registry, downloads, stack.ci.pipeline_images(downloads))
    yield registry_host.engine_check("registry-host", machines[stack.registry.host], names, stack.docker, pulled)
    if stack.gitlab.host:
        machine = machines[stack.gitlab.host]
        pulled = gitlab_server.images(stack.gitlab, stack.ci, downloads)
        yield gitlab_server.engine_check("gitlab-server", machine, names, stack.gitlab, pulled)
        yield gitlab_server.check("gitlab-server", machine, names, stack.gitlab)
        if stack.ci.runner == "docker":
            yield gitlab_runner.check("gitlab-runner", machine)
    if stack.kubernetes.host:
        settings = stack.kubernetes
        node = machines[stack.kubernetes.host]
        yield k8s_node.check("k8s-node", node, "control-plane", settings, downloads, server)
        for worker in settings.workers:
            yield k8s_node.check("k8s-node", machines[worker], "worker", settings, downloads, server)


def _own(stack: Stack, reached: Collection[str]) -> Iterator[Check]:
    """What no script owns."""
    ports = needs.ports(stack)
    for name, machine in stack.machines.items():
        yield Check(machine, f"{name}-ready", SCRIPTS / "apt.sh", {"HOST_NAME": name})
        parts = needs.parts(stack, name)
        if parts:
            memory = sum(part.memory for part in parts)
            variables = {
                "HOST_NAME": name,
                "WANTED": str(memory),
                "LEAST": str(memory * ENOUGH // 100),
                "PARTS": " and ".join(part.what for part in parts),
            }
            yield Check(machine, parts[0].resource, SCRIPTS / "memory.sh", variables)
        for resource, sources in needs.sources(stack, name).items():
            words = " ".join(f"{source.kind}|{source.url}|{source.setting}" for source in sources)
            variables = {"HOST_NAME": name, "SOURCES": words, "CA": stack.downloads.ca_certificate or ""}
            yield Check(machine, resource, SCRIPTS / "sources.sh", variables)
        wanted = [port for port in ports[name] if port.target in reached]
        if wanted:
            lines = "\n".join(_line(port) for port in wanted)
            variables = {"HOST_NAME": name, "PORTS": lines}
            yield Check(machine, f"{name}-ready", SCRIPTS / "ports.sh", variables)


def _line(port: needs.Port) -> str:
    kind = "published" if port.published else "own"
    return f"{port.address}|{port.port}|{port.target}|{kind}|{port.service}"


def images_from(stack: Stack) -> tuple[str, Collection[str]] | None:
    """The machine whose engine builds the images of projects and jobs, and the machines that run these."""
    if not (stack.projects and stack.kubernetes.host and stack.gitlab.host):
        return None
    jobs = {stack.gitlab.host} if stack.ci.runner == "docker" else set()
    runners = {stack.kubernetes.host, *stack.kubernetes.workers, *jobs} - {stack.registry.host}
    return stack.registry.host, runners
