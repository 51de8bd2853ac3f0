"""Jobs as pods of the cluster: the runner moves there by a setting, works there, and comes back."""

from __future__ import annotations

import json
import re
import secrets

import pytest

from tests.lab.driver import Lab, eventually
from tests.lab.people import PING, Person, answers, api, passed

# The last test brings the runner back; `make test-lab` leaves it out.
pytestmark = pytest.mark.state("up", changes=True)
PROJECT = "demo/custom"
NAMESPACE = "gitlab-runner"


@pytest.fixture(scope="module")
def in_cluster(lab: Lab, dev: Person) -> dict[str, int]:
    """The runner is in the cluster; what `pulumi up` has done for that."""
    lab.config("ci.runner", "kubernetes")
    return lab.up().succeeded().changes


@pytest.fixture(scope="module")
def built(lab: Lab, dev: Person, in_cluster: object) -> tuple[str, dict[str, str]]:
    """A pushed change, built in the cluster: the new answer, and its jobs' logs."""
    answer = f"by a pod, {secrets.token_hex(3)}"
    change = dev.pushes(dev.clones(PROJECT), PING.format(answer=answer), "An answer made in the cluster")
    return answer, passed(lab, PROJECT, change)


def test_the_runner_moves_into_the_cluster(lab: Lab, in_cluster: dict[str, int]) -> None:
    assert "gitlab-runner" not in lab.on("gitlab", "docker ps --all --format '{{.Names}}'").succeeded().output.split()
    ready = "-o jsonpath='{range .items[*]}{.metadata.name}={.status.readyReplicas} {end}'"
    deployments = lab.workstation(f"kubectl get deployments -n {NAMESPACE} {ready}").split()
    assert deployments == ["gitlab-runner-demo-auto=1", "gitlab-runner-demo-custom=1"]


def test_a_pushed_change_is_built_by_pods_and_answers(lab: Lab, built: tuple[str, dict[str, str]]) -> None:
    answer, logs = built
    assert sorted(logs) == ["build", "deploy", "test"]
    for log in logs.values():
        assert "Using Kubernetes executor with image" in log
    assert "ok  \thello" in logs["test"]
    assert "STATUS: deployed" in logs["deploy"]
    answers(lab, PROJECT, answer)


@pytest.mark.full
def test_a_job_has_the_engine_and_its_cache_and_no_account(lab: Lab, dev: Person, built: object) -> None:
    directory = dev.clones(PROJECT)
    script = "test ! -e /var/run/secrets/kubernetes.io/serviceaccount && echo no account"
    engine = "docker version --format 'engine {{.Server.Version}}'"
    job = json.dumps({"look": {"image": "$IMAGE_DOCKER", "script": [engine, "ls /cache", script]}})
    lab.workstation(f"cd {directory} && git checkout -qb look && cat >.gitlab-ci.yml <<'EOF'\n{job}\nEOF")
    lab.workstation(f"cd {directory} && git commit -qam 'Look around' && git push -q --force origin look")
    log = passed(lab, PROJECT, lab.workstation(f"git -C {directory} rev-parse HEAD").strip())["look"]
    api(lab).projects.get(PROJECT).branches.delete("look")
    assert "Using Kubernetes executor with image" in log
    # Each line after when it was written, and by which of the two streams.
    said = [re.sub(r"^\S+Z \d\dO ", "", line) for line in log.splitlines()]
    assert any(line.startswith("engine ") for line in said), log
    # What an earlier job's tests have left there.
    assert "go-mod" in said
    assert "no account" in said


def test_again_changes_nothing(lab: Lab, in_cluster: object) -> None:
    for doing in ("refresh", "up"):
        changes = lab.pulumi(doing, "--yes", "--skip-preview").succeeded().changes
        assert set(changes) == {"unchanged"}, (doing, changes)


def test_nothing_of_jobs_is_left(lab: Lab, in_cluster: object) -> None:
    pods = "kubectl get pods -n gitlab-runner -o jsonpath='{.items[*].metadata.labels.app}'"
    eventually(
        "no pods but the runners'",
        lambda: lab.workstation(pods).split() == ["gitlab-runner-demo-auto", "gitlab-runner-demo-custom"],
    )


@pytest.mark.full
def test_it_comes_back_and_leaves_nothing(lab: Lab, dev: Person, in_cluster: object) -> None:
    lab.config("ci.runner", None)
    lab.up().succeeded()
    left = "kubectl get namespaces,clusterroles,clusterrolebindings -o name | grep -i gitlab-runner"
    assert lab.on("workstation", left).output == ""
    claims = "kubectl get pv -o jsonpath='{.items[*].spec.claimRef.namespace}'"
    eventually("no volumes of its", lambda: NAMESPACE not in lab.workstation(claims).split())
    assert "gitlab-runner" in lab.on("gitlab", "docker ps --format '{{.Names}}'").succeeded().output.split()
    answer = f"beside GitLab again, {secrets.token_hex(3)}"
    change = dev.pushes(dev.clones(PROJECT), PING.format(answer=answer), "An answer made beside GitLab again")
    logs = passed(lab, PROJECT, change)
    for log in logs.values():
        assert "Using Docker executor with image" in log
    answers(lab, PROJECT, answer)
    # The runners in GitLab have been the same all the time.
    runners = api(lab).projects.get(PROJECT).runners.list(get_all=True)
    assert [runner.description for runner in runners] == [f"the platform's, for {PROJECT}"]
