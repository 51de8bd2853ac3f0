"""From bare machines to answers, and twice is the same as once. What this leaves is the saved state `up`."""

from __future__ import annotations

import pytest

from tests.lab.driver import DOMAIN, Lab, Result
from tests.lab.people import api, trace

pytestmark = pytest.mark.state("bare", makes="up")
PROJECTS = ("demo/custom", "demo/auto")


@pytest.fixture(scope="module")
def made(lab: Lab) -> Result:
    """`make up` on bare machines."""
    return lab.lab("up")


def test_up_on_bare_machines_makes_everything_and_checks_it(lab: Lab, made: Result) -> None:
    made.succeeded()
    for step in ("pulumi up", "workstation", "verify", "first pipelines"):
        assert f"✓ {step} " in made.output
    assert "Up in " in made.output
    resources = lab.pulumi("stack").succeeded().output
    assert "auto-devops:index:GitLabServer" in resources


def test_verify_by_itself_finds_the_same(lab: Lab, made: Result) -> None:
    assert "checks from the workstation" in lab.lab("verify").succeeded().output


@pytest.mark.parametrize("project", PROJECTS)
def test_the_first_pipelines_have_answered(lab: Lab, made: Result, project: str) -> None:
    """`make up` waits for some answer; after the first one, before anybody has pushed, it is the sample's own."""
    url = f"http://{project.replace('/', '-')}.k8s.{DOMAIN}"
    assert lab.workstation(f"curl -sS {url}/ping") == '{"message":"pong"}'
    assert lab.workstation(f"curl -sS {url}/add?a=1\\&b=2") == '{"result":3}'
    secure = url.replace("http:", "https:")
    assert lab.workstation(f"curl -sS -o /dev/null -w '%{{http_code}}' {secure}/healthz") == "200"


@pytest.mark.parametrize("project", PROJECTS)
def test_the_first_pipelines_and_their_logs_are_readable(lab: Lab, made: Result, project: str) -> None:
    found = api(lab).projects.get(project)
    (first,) = found.pipelines.list(get_all=True)
    assert first.status == "success"
    jobs = first.jobs.list(get_all=True)
    assert {job.status for job in jobs} == {"success"}
    logs = {job.name: trace(lab, project, job.id) for job in jobs}
    assert any("ok  \thello" in log for log in logs.values()), "the Go test's words"
    assert any("Successfully built" in log for log in logs.values()), "the image's build"
    assert any("STATUS: deployed" in log for log in logs.values()), "Helm's words"


def test_up_again_changes_nothing(lab: Lab, made: Result) -> None:
    changes = lab.up().succeeded().changes
    assert set(changes) == {"unchanged"}, changes


def test_preview_sees_nothing_to_do(lab: Lab, made: Result) -> None:
    assert set(lab.pulumi("preview").succeeded().changes) == {"unchanged"}


def test_refresh_sees_no_drift(lab: Lab, made: Result) -> None:
    changes = lab.pulumi("refresh", "--yes", "--skip-preview").succeeded().changes
    assert set(changes) == {"unchanged"}, changes


def test_make_up_again_is_quiet(lab: Lab, made: Result) -> None:
    lab.lab("up").succeeded()
    assert set(lab.pulumi("preview").succeeded().changes) == {"unchanged"}
