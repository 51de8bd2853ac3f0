"""GitLab's agent between pipelines and the cluster: it comes by a setting, pushes deploy through it, and it goes."""

from __future__ import annotations

import base64
import json
import secrets
from typing import Any

import pytest

from tests.lab.driver import Lab
from tests.lab.people import PING, Person, answers, api, passed, pipeline, trace

# The last test takes the agent away; `make test-lab` leaves it out.
pytestmark = pytest.mark.state("up", changes=True)
PROJECTS = ("demo/custom", "demo/auto")
CUSTOM = "demo/custom"


@pytest.fixture(scope="module")
def by_agent(lab: Lab, dev: Person) -> dict[str, int]:
    """The pipelines' way to the cluster is the agent's; what `pulumi up` has done for that."""
    lab.config("ci.clusterLink", "agent")
    return lab.up().succeeded().changes


def namespace(project: str) -> str:
    return project.replace("/", "-")


def deploys(lab: Lab, dev: Person, answer: str) -> dict[str, str]:
    """Pushes another answer to both projects, waits until they give it; the logs of the jobs that deployed it."""
    commits = {p: dev.pushes(dev.clones(p), PING.format(answer=answer), f"Answer {answer}") for p in PROJECTS}
    logs = {}
    for project, sha in commits.items():
        found = passed(lab, project, sha)
        logs[project] = found.get("deploy") or found["production"]
    for project in PROJECTS:
        answers(lab, project, answer)
    return logs


def variables(lab: Lab, project: str) -> dict[str, Any]:
    return {v.key: v for v in api(lab).projects.get(project).variables.list(get_all=True)}


def secrets_of(lab: Lab, project: str) -> dict[str, dict[str, Any]]:
    found = json.loads(lab.workstation(f"kubectl get secrets -n {namespace(project)} -o json"))
    return {secret["metadata"]["name"]: secret for secret in found["items"]}


def test_an_agent_runs_for_each_project(lab: Lab, by_agent: dict[str, int]) -> None:
    for project in PROJECTS:
        ready = "-o jsonpath='{.items[*].status.readyReplicas}'"
        chosen = "-l app.kubernetes.io/name=gitlab-agent"
        assert lab.workstation(f"kubectl get deployments -n {namespace(project)} {chosen} {ready}") == "1"
        assert [agent.name for agent in api(lab).projects.get(project).cluster_agents.list(get_all=True)] == ["cluster"]


def test_no_credentials_of_the_cluster_are_in_gitlab(lab: Lab, by_agent: object) -> None:
    for project in PROJECTS:
        found = variables(lab, project)
        assert "KUBECONFIG" not in found
        assert (found["KUBE_CONTEXT"].value, found["KUBE_CONTEXT"].protected) == (f"{project}:cluster", True)
        kinds = {secret["type"] for secret in secrets_of(lab, project).values()}
        assert "kubernetes.io/service-account-token" not in kinds


def test_the_agents_token_is_in_its_secret_only(lab: Lab, by_agent: object) -> None:
    data = secrets_of(lab, CUSTOM)["gitlab-agent-token"]["data"]["token"]
    token = base64.b64decode(data).decode()
    assert token.startswith("glagent-")
    state = lab.pulumi("stack", "export").succeeded().output
    assert token not in state and data not in state
    pods = lab.workstation("kubectl get pods,deployments,configmaps -n demo-custom -o yaml")
    assert token not in pods and data not in pods


@pytest.mark.full
def test_pushed_changes_are_deployed_through_it(lab: Lab, dev: Person, by_agent: object) -> None:
    logs = deploys(lab, dev, f"by an agent, {secrets.token_hex(3)}")
    for project, log in logs.items():
        assert f'Switched to context "{project}:cluster".' in log
        assert "STATUS: deployed" in log


@pytest.mark.full
def test_a_job_may_do_what_the_account_may(lab: Lab, dev: Person, by_agent: object) -> None:
    """Asked from a job, by what a job has: its own agent, and the number of another project's."""
    directory = dev.clones(CUSTOM)
    other = api(lab).projects.get("demo/auto").cluster_agents.list(get_all=True)[0].id
    foreign = '--user="" --token="ci:$OTHER:$CI_JOB_TOKEN"'
    script = [
        'kubectl config use-context "$CI_PROJECT_PATH:cluster"',
        "kubectl auth whoami",
        "kubectl get deployments -n demo-custom",
        "! kubectl get secrets -n demo-auto",
        "! kubectl get nodes",
        "! kubectl get secrets -A",
        f"! kubectl {foreign} get deployments -n demo-auto",
    ]
    job = json.dumps({"look": {"image": "$IMAGE_KUBERNETES", "variables": {"OTHER": str(other)}, "script": script}})
    lab.workstation(f"cd {directory} && git checkout -qb look && cat >.gitlab-ci.yml <<'EOF'\n{job}\nEOF")
    lab.workstation(f"cd {directory} && git commit -qam 'Look around' && git push -q --force origin look")
    done = pipeline(lab, CUSTOM, lab.workstation(f"git -C {directory} rev-parse HEAD").strip())
    log = trace(lab, CUSTOM, done.jobs.list(get_all=True)[0].id)
    api(lab).projects.get(CUSTOM).branches.delete("look")
    assert done.status == "success", log
    assert "system:serviceaccount:demo-custom:deployer" in log
    assert 'secrets is forbidden: User "system:serviceaccount:demo-custom:deployer"' in log
    assert f"agent {other} is not this job's" in log


def test_up_again_changes_nothing(lab: Lab, by_agent: object) -> None:
    changes = lab.up().succeeded().changes
    assert set(changes) == {"unchanged"}, changes


@pytest.mark.full
def test_it_goes_and_leaves_nothing(lab: Lab, dev: Person, by_agent: object) -> None:
    lab.config("ci.clusterLink", None)
    lab.up().succeeded()
    for project in PROJECTS:
        assert api(lab).projects.get(project).cluster_agents.list(get_all=True) == []
        assert "KUBE_CONTEXT" not in variables(lab, project)
        left = f"kubectl get all,secrets,configmaps,roles,leases -n {namespace(project)} -o name | grep gitlab-agent"
        assert lab.on("workstation", left).output == ""
    for project, log in deploys(lab, dev, f"without an agent, {secrets.token_hex(3)}").items():
        assert "Switched to context" not in log, project
