"""Checks the stack from the workstation, as its user would: names, trust, registry, cluster, GitLab, projects."""

from __future__ import annotations

import secrets
import shlex
import time
from typing import Any

from lab import machines, stack
from lab.inventory import WORKSTATION
from lab.steps import LabError, StepLog, elapsed

FIRST_PIPELINE_SECONDS = 900
"""The first pipelines compile a web framework and all below it, each twice, on the cores of one computer."""


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


def answers(log: StepLog) -> str:
    """Wait until every project's service answers a push: its first pipeline has run by then."""
    projects = stack.outputs().get("projects", {})
    started = time.monotonic()
    missing = dict(projects)
    while missing:
        waited = time.monotonic() - started
        log.awaiting(f"the first pipeline of {', '.join(sorted(missing))} (elapsed: {elapsed(waited)})")
        for name, project in list(missing.items()):
            line = f"curl -s --max-time 5 {shlex.quote(project['serviceUrl'] + '/ping')}"
            said = machines.on_workstation(line)
            if said == '{"message":"pong"}':
                del missing[name]
        if missing and waited > FIRST_PIPELINE_SECONDS:
            name, project = next(iter(missing.items()))
            raise LabError(
                f'{project["serviceUrl"]}/ping does not answer after {elapsed(waited)}, expected {{"message":"pong"}}',
                f"look at the pipeline: {project['url']}/-/pipelines",
            )
        if missing:
            time.sleep(1)
    return ", ".join(f"{project['serviceUrl']}/ping" for project in projects.values()) or "no projects"


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
        ("GitLab over trusted HTTPS", f"{curl} {shlex.quote(outputs['gitlabUrl'] + '/users/sign_in')}", "200"),
        (
            "GitLab's registry",
            f"curl -sS -o /dev/null -w '%{{http_code}}' https://{outputs['gitlabRegistry']}/v2/",
            "401",
        ),
        ("git by SSH", f"ssh-keyscan -p {outputs['gitlabSshPort']} gitlab.{outputs['domain']} 2>&1", "ssh-"),
        ("Docker engine with the client certificate", "docker version --format '{{.Server.Version}}'", "."),
    ]
