"""Checks the stack from the workstation, as its user would: names, trust, registry, cluster, GitLab, projects."""

from __future__ import annotations

import json
import secrets
import shlex
import subprocess
import time
from collections.abc import Sequence
from typing import Any

from lab import machines, stack
from lab.inventory import WORKSTATION
from lab.steps import LabError, StepLog, elapsed

FIRST_PIPELINE_SECONDS = 900
"""The first pipelines compile a web framework and all below it, each twice, on the cores of one computer."""
PIPELINES_EVERY_SECONDS = 10
"""How often GitLab is asked for the pipelines: each time is a login on the workstation, and the cores are busy."""
CLUSTER = "Kubernetes node"
"""Name of the check that there is a cluster."""
Check = tuple[str, str, str]
"""What is checked, the shell line for the workstation, and what it has to say."""
ENDED_WITHOUT_DEPLOYMENT = ("failed", "canceled", "skipped")


def run(log: StepLog) -> str:
    """Run every check; a LabError lists all that failed."""
    outputs = stack.outputs()
    checks = [*_names(outputs), *_services(outputs)]
    problems = []
    for check in checks:
        problem = _problem(log, *check)
        if problem:
            problems.append(problem)
    if problems:
        raise LabError("; ".join(problems), "`make shell` opens the workstation")
    return f"{len(checks)} checks from the workstation"


def answering(log: StepLog) -> list[str]:
    """Names of the services and projects that answer now; none where there is no stack yet."""
    return [check[0] for check in _everything() if not _problem(log, *check, seconds=10)]


def wait_for(log: StepLog, names: Sequence[str], seconds: float) -> str:
    """Wait until all of these, once named by `answering`, answer. A LabError names those that do not."""
    deadline = time.monotonic() + seconds
    checks = _everything() if names else []
    if names and not checks:
        raise LabError("the stack's outputs, which tell where all of that is, cannot be read", "`make status` says why")
    for check in checks:
        while check[0] in names and (problem := _problem(log, *check, seconds=10)):
            if time.monotonic() > deadline:
                raise LabError(f"not within {elapsed(seconds)}: {problem}", "`make shell` opens the workstation")
            time.sleep(0.5)
    return f"{len(names)} services answer"


def _problem(log: StepLog, what: str, line: str, expected: str, seconds: int | None = None) -> str:
    """What is wrong with one check's answer; nothing where it is as expected."""
    log.awaiting(what)
    bounded = f"timeout {seconds} bash -lc" if seconds else "bash -lc"
    try:
        found = log.run(machines.ssh_command(WORKSTATION, f"{bounded} {shlex.quote(line)}")).strip()
    except LabError as error:
        return f"{what}: {error}"
    return "" if expected in found else f"{what}: expected {expected!r}, `{line}` on the workstation says {found!r}"


def _everything() -> list[Check]:
    """What can answer, with all that tells a machine that is back from one that only looks so."""
    try:
        outputs = stack.outputs()
    except LabError:
        return []
    if "registryUrl" not in outputs:
        return []
    # A node is Ready until the cluster has missed it for a while; its kubelet answers or not.
    kubelets = (
        "kubectl get nodes -o name | while IFS=/ read -r _ node; do "
        "kubectl get --raw /api/v1/nodes/$node/proxy/healthz || exit; done"
    )
    projects = [
        (
            f"project {name}",
            f"curl -s -o /dev/null -w '%{{http_code}}' {shlex.quote(project['serviceUrl'] + '/ping')}",
            "200",
        )
        for name, project in outputs.get("projects", {}).items()
    ]
    return [*_names(outputs), *_services(outputs), ("Kubernetes' kubelets", kubelets, "ok"), *projects]


def answers(log: StepLog) -> str:
    """Wait until every project's service answers: its first pipeline has run by then. Tells what was answered.

    That may be anything by now: the repository is people's, and they may have pushed another answer.
    """
    outputs = stack.outputs(secret=True)
    projects = outputs.get("projects", {})
    started = time.monotonic()
    next_look = 0.0
    said: dict[str, str] = {}
    while missing := {name: project for name, project in projects.items() if name not in said}:
        waited = time.monotonic() - started
        log.awaiting(f"the first pipeline of {', '.join(sorted(missing))} (elapsed: {elapsed(waited)})")
        looks = waited >= next_look
        if looks:
            next_look = waited + PIPELINES_EVERY_SECONDS
        for name, project in missing.items():
            message = _message(project["serviceUrl"])
            if message is not None:
                said[name] = message
                continue
            expected = f'{project["serviceUrl"]}/ping does not answer {{"message":…}}'
            failed = _failed_pipeline(outputs, project["url"]) if looks else None
            if failed:
                raise LabError(
                    f"{expected}; its last pipeline: {failed['status']}",
                    f"look at {failed['web_url']}, then retry it there, or push what mends it",
                )
            if waited > FIRST_PIPELINE_SECONDS:
                raise LabError(
                    f"{expected} after {elapsed(waited)}", f"look at the pipeline: {project['url']}/-/pipelines"
                )
        if len(said) < len(projects):
            time.sleep(1)
    found = [f"{project['serviceUrl']}/ping says {said[name]}" for name, project in projects.items()]
    return ", ".join(found) or "no projects"


def _message(url: str) -> str | None:
    """What the service says, once there is one: until then the cluster's default backend answers, with 404."""
    line = f"curl -s --max-time 5 --write-out ' %{{http_code}}' {shlex.quote(url + '/ping')}"
    body, _, status = machines.on_workstation(line).rpartition(" ")
    answer = _json(body) if status == "200" else None
    return str(answer["message"]) if isinstance(answer, dict) and "message" in answer else None


def _failed_pipeline(outputs: dict[str, Any], url: str) -> dict[str, str] | None:
    """The project's last pipeline, where all have ended and none has deployed anything: nothing comes by waiting."""
    path = url.removeprefix(outputs["gitlabUrl"] + "/")
    asked = f"{outputs['gitlabUrl']}/api/v4/projects/{path.replace('/', '%2F')}/pipelines"
    line = f"curl -s --max-time 5 --config - {shlex.quote(asked)}"
    # The token goes by standard input: a command line is seen by everyone.
    done = subprocess.run(
        machines.ssh_command(WORKSTATION, f"bash -lc {shlex.quote(line)}"),
        input=f'header = "PRIVATE-TOKEN: {outputs["gitlabToken"]}"\n',
        capture_output=True,
        text=True,
        check=False,
    )
    pipelines = _json(done.stdout)
    if not isinstance(pipelines, list) or not pipelines:
        return None
    return pipelines[0] if all(each["status"] in ENDED_WITHOUT_DEPLOYMENT for each in pipelines) else None


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _names(outputs: dict[str, Any]) -> list[Check]:
    domain, addresses = outputs["domain"], outputs["addresses"]
    expected = {"ns": addresses["dns"], "docker": addresses["registry"]}
    expected |= {name: addresses[name] for name in ("registry", "gitlab", "k8s")}
    checks = [
        (f"name {name}.{domain}", f"dig +short {shlex.quote(f'{name}.{domain}')}", address)
        for name, address in expected.items()
    ]
    # Any name below k8s is an application's.
    application = f"app-{secrets.token_hex(4)}.k8s.{domain}"
    return [*checks, (f"names *.k8s.{domain}", f"dig +short {application}", addresses["k8s"])]


def _services(outputs: dict[str, Any]) -> list[Check]:
    curl = "curl --fail --silent --show-error --output /dev/null --write-out '%{http_code}'"
    return [
        ("registry over trusted HTTPS", f"{curl} {shlex.quote(outputs['registryUrl'] + '/v2/')}", "200"),
        ("registry's web page", f"{curl} --location {shlex.quote(outputs['registryUiUrl'])}", "200"),
        (CLUSTER, "kubectl get nodes --no-headers", " Ready "),
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
