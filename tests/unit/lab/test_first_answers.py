"""What `make up` takes for an answer of a project, and when it gives up."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("docker", reason="the lab needs requirements-dev.txt")

from lab import machines, stack, verify
from lab.steps import LabError, StepLog

GITLAB = "https://gitlab.lab"
URL = "http://team-hello.k8s.lab"
BACKEND = "default backend - 404 404"


class Lab:
    """A workstation whose curl gets these answers of the service, one after the other, and these pipelines."""

    def __init__(self, patch: pytest.MonkeyPatch, answers: Sequence[str], *states: str) -> None:
        self.answers = list(answers)
        pipelines = [{"status": state, "web_url": f"{GITLAB}/team/hello/-/pipelines/{state}"} for state in states]
        outputs = {
            "gitlabUrl": GITLAB,
            "gitlabToken": "glpat-root",
            "projects": {"team-hello": {"url": f"{GITLAB}/team/hello", "serviceUrl": URL}},
        }

        def ask_gitlab(words: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
            assert "glpat-root" in options["input"] and "glpat-root" not in " ".join(words)
            assert "/projects/team%2Fhello/pipelines" in words[-1]
            return subprocess.CompletedProcess(words, 0, json.dumps(pipelines), "")

        patch.setattr(stack, "outputs", lambda secret=False: outputs)
        patch.setattr(machines, "on_workstation", lambda line: self.answers.pop(0))
        patch.setattr(subprocess, "run", ask_gitlab)
        patch.setattr(time, "sleep", lambda _: None)


@pytest.fixture
def log(tmp_path: Path) -> StepLog:
    return StepLog(tmp_path / "log")


@pytest.mark.parametrize("message", ["pong", "what somebody pushed"])
def test_any_answer_of_the_service_will_do(monkeypatch: pytest.MonkeyPatch, log: StepLog, message: str) -> None:
    Lab(monkeypatch, ["", BACKEND, "<html> 502", "{} 200", json.dumps({"message": message}) + " 200"], "running")
    assert verify.answers(log) == f"{URL}/ping says {message}"


@pytest.mark.parametrize("states", [("failed",), ("canceled", "failed")])
def test_a_failed_first_pipeline_ends_it_at_once(
    monkeypatch: pytest.MonkeyPatch, log: StepLog, states: tuple[str, ...]
) -> None:
    lab = Lab(monkeypatch, [BACKEND, BACKEND], *states)
    with pytest.raises(LabError, match=states[0]) as failed:
        verify.answers(log)
    assert f"{GITLAB}/team/hello/-/pipelines/{states[0]}" in failed.value.fix
    assert len(lab.answers) == 1, "it was asked once"


@pytest.mark.parametrize("states", [(), ("running", "failed"), ("failed", "success")])
def test_what_may_still_come_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, log: StepLog, states: tuple[str, ...]
) -> None:
    Lab(monkeypatch, [BACKEND, '{"message":"pong"} 200'], *states)
    assert verify.answers(log) == f"{URL}/ping says pong"


def test_it_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch, log: StepLog) -> None:
    Lab(monkeypatch, [BACKEND], "success")
    monkeypatch.setattr(verify, "FIRST_PIPELINE_SECONDS", -1)
    with pytest.raises(LabError, match="does not answer") as failed:
        verify.answers(log)
    assert failed.value.fix == f"look at the pipeline: {GITLAB}/team/hello/-/pipelines"
