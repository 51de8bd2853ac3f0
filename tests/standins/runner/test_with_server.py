"""The lab's two stand-ins together: a pipeline of the server's, run by the runner (scripts run right here)."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gitlab
import pytest

from tests.standins.gitlab.conftest import client, group, installation, prepared, project
from tests.standins.gitlab.installation import Installation
from tests.standins.gitlab.test_pipelines import pipeline_of, push

__all__ = ["client", "group", "installation", "prepared", "project"]

_HERE = Path(__file__).parent
_PACKAGE = _HERE.parents[2] / "lab/mirror/gitlab/runner"
_PIPELINE = """
stages: [build, test]
build:
  stage: build
  image: golang:1.26
  script:
    - git log --oneline | wc -l
    - mkdir out && echo "made for $CI_PROJECT_PATH" >out/app
    - cat "$SETTINGS" && echo "$SECRET"
    - echo "VERSION=7" >build.env
    - git fetch --quiet origin && echo fetched
  artifacts:
    paths: [out/]
    reports: {dotenv: build.env}
  after_script:
    - echo "it was a $CI_JOB_STATUS"
test:
  stage: test
  image: golang:1.26
  script:
    - cat out/app
    - echo "version $VERSION"
    - exit $((6 * FAIL))
"""


class Work:
    """A runner of a project's, at work."""

    def __init__(self, folder: Path, installation: Installation, token: str) -> None:
        (folder / "docker").mkdir()
        config = folder / "config.toml"
        config.write_text(
            f'concurrent = 1\ncheck_interval = 1\n[[runners]]\nname = "one"\nurl = "{installation.url}"\n'
            f'token = "{token}"\nexecutor = "docker"\nbuilds_dir = "{folder}/builds"\n'
            f'tls-ca-file = "{installation.ca}"\n[runners.docker]\nimage = "debian"\nhelper_image = "helper"\n'
        )
        self.output = folder / "runner.log"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gitlab_runner", "run", "--config", str(config)],
                env={
                    "PATH": f"{_HERE / 'fake_engine'}{os.pathsep}{os.environ['PATH']}",
                    "PYTHONPATH": str(_PACKAGE),
                    "FAKE_DOCKER": str(folder / "docker"),
                    "FAKE_BUILDS": str(folder / "builds"),
                    "FAKE_PYTHON": sys.executable,
                    "HOME": str(folder),
                    "GIT_CONFIG_NOSYSTEM": "1",
                },
                stderr=output,
            )


@pytest.fixture
def work(tmp_path: Path, installation: Installation, client: gitlab.Gitlab, project: Any) -> Iterator[Work]:
    assert client.user is not None
    made = client.user.runners.create({"runner_type": "project_type", "project_id": project.id, "run_untagged": True})
    found = Work(tmp_path, installation, made.token)
    yield found
    found.process.terminate()
    found.process.wait(30)


def _ended(project: Any, sha: str, work: Work) -> tuple[str, dict[str, str]]:
    """The pipeline's state once it has ended, and the logs of its jobs by name."""
    pipeline = pipeline_of(project, sha)
    deadline = time.monotonic() + 60
    while pipeline.status not in ("success", "failed", "canceled"):
        assert time.monotonic() < deadline, (pipeline.status, work.output.read_text())
        time.sleep(0.2)
        pipeline.refresh()
    logs = {job.name: project.jobs.get(job.id).trace().decode() for job in pipeline.jobs.list()}
    return pipeline.status, logs


def test_a_pipeline_runs(project: Any, work: Work) -> None:
    project.variables.create({"key": "SETTINGS", "value": "a: 1\nb: 2", "variable_type": "file"})
    project.variables.create({"key": "SECRET", "value": "hunter2-hunter2", "masked": True})
    project.variables.create({"key": "FAIL", "value": "0"})
    status, logs = _ended(project, push(project, _PIPELINE), work)
    assert status == "success", logs
    for text in ("a: 1\nb: 2", "[MASKED]", "it was a success", "fetched\n", "Job succeeded"):
        assert text in logs["build"]
    assert f"made for {project.path_with_namespace}\nversion 7\n".splitlines()[0] in logs["test"]
    assert "version 7\n" in logs["test"]
    assert "hunter2" not in str(logs)


def test_a_failure_ends_the_pipeline_with_the_scripts_status(project: Any, work: Work) -> None:
    project.variables.create({"key": "SETTINGS", "value": "a", "variable_type": "file"})
    project.variables.create({"key": "FAIL", "value": "1"})
    sha = push(project, _PIPELINE)
    status, logs = _ended(project, sha, work)
    assert status == "failed"
    assert "ERROR: Job failed: exit code 6" in logs["test"]
    (job,) = [each for each in pipeline_of(project, sha).jobs.list() if each.name == "test"]
    assert project.jobs.get(job.id).failure_reason == "script_failure"


def test_a_cancelled_pipeline_ends_the_job(project: Any, work: Work) -> None:
    sha = push(project, "slow:\n  script: ['echo started', 'sleep 60']\n")
    pipeline = pipeline_of(project, sha)
    (job,) = pipeline.jobs.list()
    deadline = time.monotonic() + 30
    while b"started\n" not in project.jobs.get(job.id).trace():
        assert time.monotonic() < deadline, work.output.read_text()
        time.sleep(0.2)
    pipeline.cancel()
    while "Job failed: job_canceled" not in work.output.read_text():
        assert time.monotonic() < deadline, work.output.read_text()
        time.sleep(0.2)
    assert project.jobs.get(job.id).status == "canceled"
