"""What is waited for when a state comes back: just what answered when it was kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab import stack, verify
from lab.steps import LabError, StepLog

OUTPUTS: dict[str, Any] = {
    "domain": "site.test",
    "addresses": {"dns": "10.0.0.1", "registry": "10.0.0.2", "gitlab": "10.0.0.3", "k8s": "10.0.0.4"},
    "registryUrl": "https://registry.site.test",
    "registryUiUrl": "https://registry.site.test/ui",
    "baseDomain": "k8s.site.test",
    "gitlabUrl": "https://gitlab.site.test",
    "gitlabRegistry": "gitlab.site.test:4567",
    "gitlabSshPort": 22,
    "projects": {"demo": {"serviceUrl": "http://demo.k8s.site.test"}},
}


class Workstation(StepLog):
    """A log whose commands are answered here: by what is in `silent`, nothing is."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.silent: dict[str, int] = {}
        """Part of a command -> how many times it fails before it is answered."""

    def run(self, command: Any, **_: Any) -> str:
        line = str(command[-1])
        for part in [part for part in self.silent if part in line and self.silent[part] > 0]:
            self.silent[part] -= 1
            raise LabError(f"no answer to {part}")
        return "200 401 ok ssh- . Ready default backend - 404 10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 Ready "


@pytest.fixture
def workstation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workstation:
    """A workstation of a stack that is up."""
    monkeypatch.setattr(stack, "outputs", lambda: OUTPUTS)
    monkeypatch.setattr("lab.verify.time.sleep", lambda _: None)
    return Workstation(tmp_path / "log")


def test_names_of_what_answers_are_told(workstation: Workstation) -> None:
    everything = verify.answering(workstation)
    workstation.silent = {"/healthz": 1, "demo.k8s": 1}
    assert set(everything) - set(verify.answering(workstation)) == {"Kubernetes' kubelets", "project demo"}


def test_a_lab_without_a_stack_has_nothing_to_wait_for(
    workstation: Workstation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "outputs", dict)
    assert verify.answering(workstation) == []
    verify.wait_for(workstation, [], 0)


def test_what_answered_is_waited_for(workstation: Workstation) -> None:
    names = verify.answering(workstation)
    workstation.silent = {"demo.k8s": 3}
    verify.wait_for(workstation, names, 60)
    assert workstation.silent == {"demo.k8s": 0}


def test_what_did_not_answer_is_not_waited_for(workstation: Workstation) -> None:
    workstation.silent = {"demo.k8s": 99}
    verify.wait_for(workstation, verify.answering(workstation), 0)


def test_what_does_not_come_back_is_named(workstation: Workstation) -> None:
    names = verify.answering(workstation)
    workstation.silent = {"demo.k8s": 99}
    with pytest.raises(LabError, match="project demo"):
        verify.wait_for(workstation, names, 0)


def test_outputs_that_cannot_be_read_are_told(workstation: Workstation, monkeypatch: pytest.MonkeyPatch) -> None:
    names = verify.answering(workstation)
    monkeypatch.setattr(stack, "outputs", dict)
    with pytest.raises(LabError, match="outputs"):
        verify.wait_for(workstation, names, 0)
