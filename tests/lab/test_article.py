"""The article's two pipelines, from the first push to pong: `article/` has them, and what is different today."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.lab.driver import ROOT, Lab
from tests.lab.people import answers, api, passed

pytestmark = [pytest.mark.state("up", changes=True), pytest.mark.full]
ARTICLE = Path(__file__).parent / "article"
SERVICE = ROOT / "services/hello-custom"
"""Where the Go service is from: the article only links to its own."""
GROUP = "ksqzq"
PROJECTS = {"golang-auto-devops": "auto", "gitlab-hello-world": "custom"}


@pytest.fixture(scope="module")
def pushed(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The logs of each project's first pipeline, by the names of its jobs; all have succeeded."""
    lab.config("ci.tags[0]", "docker")
    for number, (name, kind) in enumerate(PROJECTS.items(), 2):
        source = tmp_path_factory.mktemp("article") / name
        shutil.copytree(ARTICLE / name, source)
        for file in [*SERVICE.glob("*.go"), *SERVICE.glob("go.*"), SERVICE / "Dockerfile"]:
            shutil.copy(file, source)
        settings = {"group": GROUP, "name": name, "pipeline": kind, "source": str(source), "keepRepository": False}
        for key, value in settings.items():
            lab.config(f"projects[{number}].{key}", value)
    lab.up().succeeded()
    return {name: passed(lab, f"{GROUP}/{name}", first_commit(lab, name)) for name in PROJECTS}


def first_commit(lab: Lab, name: str) -> str:
    return str(api(lab).projects.get(f"{GROUP}/{name}").commits.list(get_all=False)[0].id)


@pytest.mark.parametrize("name", PROJECTS)
def test_the_first_push_answers_pong(lab: Lab, pushed: dict[str, dict[str, str]], name: str) -> None:
    answers(lab, f"{GROUP}/{name}", "pong")


def test_auto_devops_has_the_articles_own_test(pushed: dict[str, dict[str, str]]) -> None:
    logs = pushed["golang-auto-devops"]
    assert sorted(logs) == ["build", "golang_test", "production"]
    assert "ok  \thello" in logs["golang_test"]


def test_every_job_by_hand_asked_for_the_runners_tag(lab: Lab, pushed: dict[str, dict[str, str]]) -> None:
    logs = pushed["gitlab-hello-world"]
    assert sorted(logs) == ["building_job", "compiling_job", "deploying_job", "testing_job"]
    assert "STATUS: deployed" in logs["deploying_job"]
    project = api(lab).projects.get(f"{GROUP}/gitlab-hello-world")
    asked = [job.tag_list for job in project.jobs.list(get_all=True)]
    assert asked == [["docker"]] * 4
    runners = [api(lab).runners.get(each.id) for each in project.runners.list(type="project_type", get_all=True)]
    assert [runner.tag_list for runner in runners] == [["docker"]]


def test_up_again_changes_nothing(lab: Lab, pushed: object) -> None:
    assert set(lab.up().succeeded().changes) == {"unchanged"}
