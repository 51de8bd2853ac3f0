"""Checks the stack from the workstation, as its user would: names, trust, registry, Docker engine, web page."""

from __future__ import annotations

import secrets
import shlex
from typing import Any

from lab import machines, stack
from lab.inventory import WORKSTATION
from lab.steps import LabError, StepLog


def run(log: StepLog) -> str:
    """Run every check; a LabError lists all that failed."""
    outputs = stack.outputs()
    checks = [*_names(outputs), *_services(outputs)]
    problems = []
    for what, line, expected in checks:
        log.awaiting(what)
        try:
            found = log.run(machines.ssh_command(WORKSTATION, f"bash -lc {shlex.quote(line)}")).strip()
        except LabError as error:
            problems.append(f"{what}: {error}")
            continue
        if expected not in found:
            problems.append(f"{what}: expected {expected!r}, `{line}` on the workstation says {found!r}")
    if problems:
        raise LabError("; ".join(problems), "`make shell` opens the workstation")
    return f"{len(checks)} checks from the workstation"


def _names(outputs: dict[str, Any]) -> list[tuple[str, str, str]]:
    domain, addresses = outputs["domain"], outputs["addresses"]
    expected = {"ns": addresses["dns"], "docker": addresses["registry"]}
    expected |= {name: addresses[name] for name in ("registry", "gitlab", "k8s")}
    # Any name below k8s is an application's.
    expected |= {f"app-{secrets.token_hex(4)}.k8s": addresses["k8s"]}
    return [
        (f"name {name}.{domain}", f"dig +short {shlex.quote(f'{name}.{domain}')}", address)
        for name, address in expected.items()
    ]


def _services(outputs: dict[str, Any]) -> list[tuple[str, str, str]]:
    curl = "curl --fail --silent --show-error --output /dev/null --write-out '%{http_code}'"
    return [
        ("registry over trusted HTTPS", f"{curl} {shlex.quote(outputs['registryUrl'] + '/v2/')}", "200"),
        ("registry's web page", f"{curl} --location {shlex.quote(outputs['registryUiUrl'])}", "200"),
        ("Kubernetes node", "kubectl get nodes --no-headers", " Ready "),
        ("ingress", f"curl -sS http://anything.{outputs['baseDomain']}", "default backend - 404"),
        ("ingress over trusted HTTPS", f"curl -sS https://anything.{outputs['baseDomain']}", "default backend - 404"),
        ("Docker engine with the client certificate", "docker version --format '{{.Server.Version}}'", "."),
    ]
