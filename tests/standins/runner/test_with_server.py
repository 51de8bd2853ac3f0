"""The lab's stand-in of GitLab and the real GitLab Runner together.

The runner has its `custom` executor here, which runs a job's scripts right on this computer; what it asks the server
and sends to it is the same with any executor.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gitlab
import pytest

from components.gitlab_runner.gitlab_runner import configuration
from lab import gitlab_runner, paths
from lab.steps import StepLog
from names import Names
from settings.ci import CiSettings
from settings.mirrors import Downloads, MirrorSettings
from tests.standins.gitlab.conftest import client, group, installation, prepared, project
from tests.standins.gitlab.installation import Installation
from tests.standins.gitlab.test_pipelines import pipeline_of, push

__all__ = ["client", "group", "installation", "prepared", "project"]

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
    - test "$FAIL" = 0
"""


@pytest.fixture(scope="session")
def program() -> Path:
    """The program `gitlab-runner`, built if need be."""
    gitlab_runner.make(StepLog(paths.BUILD / "gitlab-runner.log"))
    return gitlab_runner.PROGRAMS / "gitlab-runner"


class Work:
    """A runner of a project's, at work."""

    def __init__(self, folder: Path, program: Path, installation: Installation, token: str) -> None:
        script = folder / "run.sh"
        # The two arguments: the script's file, and the name of the job's stage. A status that the runner does not name
        # would be a failure of the executor's own.
        script.write_text('#!/bin/sh\nbash "$1" || exit "$BUILD_FAILURE_EXIT_CODE"\n')
        script.chmod(0o755)
        self.config = folder / "config.toml"
        self.config.write_text(
            f'concurrent = 1\ncheck_interval = 1\n[[runners]]\nname = "one"\nurl = "{installation.url}"\n'
            f'token = "{token}"\nrequest_concurrency = 2\nexecutor = "custom"\n'
            f'builds_dir = "{folder}/builds"\ncache_dir = "{folder}/cache"\n'
            f'tls-ca-file = "{installation.ca}"\n[runners.custom]\nrun_exec = "{script}"\n'
        )
        self._program = program
        self._environment = {
            "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        self.output = folder / "runner.log"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [program, "run", "--config", self.config], env=self._environment, stderr=output
            )

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another command of the runner's, with its configuration."""
        return subprocess.run(
            [self._program, *arguments, "--config", self.config],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


@pytest.fixture
def work(
    tmp_path: Path, program: Path, installation: Installation, client: gitlab.Gitlab, project: Any
) -> Iterator[Work]:
    assert client.user is not None
    made = client.user.runners.create({"runner_type": "project_type", "project_id": project.id, "run_untagged": True})
    found = Work(tmp_path, program, installation, made.token)
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
    for text in ("a: 1", "b: 2", "[MASKED]", "it was a success", "fetched", "Job succeeded"):
        assert text in logs["build"], logs["build"]
    assert f"made for {project.path_with_namespace}" in logs["test"]
    assert "version 7" in logs["test"]
    assert "hunter2" not in str(logs)
    # The runner says so where a server answers what it did not expect.
    said = [line for line in work.output.read_text().splitlines() if "WARNING" in line or "ERROR" in line]
    assert not [line for line in said if "'build_script'" not in line]


def test_a_failure_ends_the_pipeline(project: Any, work: Work) -> None:
    project.variables.create({"key": "SETTINGS", "value": "a", "variable_type": "file"})
    project.variables.create({"key": "FAIL", "value": "1"})
    sha = push(project, _PIPELINE)
    status, logs = _ended(project, sha, work)
    assert status == "failed"
    assert "ERROR: Job failed" in logs["test"] and "system failure" not in logs["test"], logs["test"]
    (job,) = [each for each in pipeline_of(project, sha).jobs.list() if each.name == "test"]
    assert project.jobs.get(job.id).failure_reason == "script_failure"


def test_a_cancelled_pipeline_ends_the_job(project: Any, work: Work) -> None:
    # The runner hears of it with the next piece of the log that it sends.
    sha = push(project, "slow:\n  script: ['for second in $(seq 60); do echo started $second; sleep 1; done']\n")
    pipeline = pipeline_of(project, sha)
    (job,) = pipeline.jobs.list()
    deadline = time.monotonic() + 45
    while b"started" not in project.jobs.get(job.id).trace():
        assert time.monotonic() < deadline, work.output.read_text()
        time.sleep(0.2)
    pipeline.cancel()
    while "canceled" not in work.output.read_text():
        assert time.monotonic() < deadline, work.output.read_text()
        time.sleep(0.2)
    assert project.jobs.get(job.id).status == "canceled"


def test_a_job_is_taken_at_once_by_a_runner_that_waits(project: Any, work: Work) -> None:
    _ended(project, push(project, "one: {script: [date]}"), work)
    time.sleep(3)  # the runner asks again and is made to wait
    pushed = time.monotonic()
    pipeline = pipeline_of(project, push(project, "two: {script: [date]}"))
    (job,) = pipeline.jobs.list()
    while project.jobs.get(job.id).started_at is None:
        assert time.monotonic() < pushed + 20, work.output.read_text()
        time.sleep(0.05)
    assert time.monotonic() - pushed < 3


def test_the_stacks_configuration_is_taken(program: Path, tmp_path: Path) -> None:
    tokens = {"team-one": "glrt-one", "team-two": "glrt-two"}
    mirrors = MirrorSettings.model_validate({"images": {"registry.gitlab.com": "mirror.lab.internal:5000"}})
    text = configuration(
        Names("lab.test"), CiSettings.model_validate({}), Downloads(mirrors, None, []), tokens, "10.77.0.11"
    )
    (tmp_path / "config.toml").write_text(text)
    done = subprocess.run(
        [program, "lint", "--config", tmp_path / "config.toml"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "is valid" in done.stderr) == (0, True), done.stderr


def test_a_registration_is_verified(work: Work) -> None:
    done = work.command("verify")
    assert (done.returncode, "is valid" in done.stderr) == (0, True), done.stderr
    work.config.write_text(work.config.read_text().replace('token = "glrt-', 'token = "glrt-no'))
    done = work.command("verify")
    assert (done.returncode, "is not valid" in done.stderr) == (1, True), done.stderr
