"""GITLAB=official: what the lab takes from where it is published, shown with a registry that plays GitLab's."""

from __future__ import annotations

import secrets
import subprocess
from pathlib import Path

import pytest

from lab import engine, images, mirror, originals, paths
from lab.steps import LabError, StepLog
from tests.lab.driver import Lab

pytestmark = pytest.mark.state("bare")
UPSTREAM = "registry.gitlab.com/lab-test/original:1"
AT_GITLABS = f"{mirror.path_in_mirror('registry.gitlab.com/originals/lab-test/original')}:1"
"""What skopeo is told to take in its place: the mirror has another part that plays GitLab's registry."""


@pytest.fixture
def log(tmp_path: Path) -> StepLog:
    return StepLog(tmp_path / "log")


@pytest.fixture(autouse=True)
def official(lab: Lab, tmp_path: Path, log: StepLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lab, with a choice of its own as long as the test runs, and a mirror in between for skopeo."""
    monkeypatch.setattr(originals, "_CHOICE", tmp_path / "choice")
    originals.choose(log, originals.OFFICIAL)
    registries = tmp_path / ".config/containers/registries.conf"
    registries.parent.mkdir(parents=True)
    location = mirror.path_in_mirror("registry.gitlab.com/originals")
    registries.write_text(f'[[registry]]\nprefix = "registry.gitlab.com"\nlocation = "{location}"\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SSL_CERT_FILE", str(paths.MIRROR_CA))


def skopeo(*arguments: str) -> str:
    return subprocess.run(["skopeo", *arguments], check=True, capture_output=True, text=True).stdout


def original(log: StepLog, folder: Path) -> None:
    """An image that nobody has had yet, pushed to the part that plays GitLab's."""
    tag = f"{images.PREFIX}/original:{secrets.token_hex(4)}"
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    images.build(log, folder, tag)
    host = ["--src-daemon-host", f"unix://{paths.DOCKER_SOCKET}"]
    skopeo("copy", *host, f"docker-daemon:{tag}", f"docker://{AT_GITLABS}")
    engine.client().images.remove(tag)


def not_built(_: Path) -> None:
    pytest.fail("an image of the lab's own was about to be built")


def test_takes_the_original_once(tmp_path: Path, log: StepLog) -> None:
    original(log, tmp_path)
    # As if the lab had been one with stand-ins before: it has an image of its own under that name.
    ours = tmp_path / "ours"
    ours.mkdir()
    (ours / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /ours\n")
    originals._CHOICE.write_text(originals.STAND_INS)
    tag = f"{images.PREFIX}/mirror-test:{secrets.token_hex(4)}"
    assert mirror.provide(log, UPSTREAM, tag, lambda context: _copy(ours, context))
    assert not mirror.provide(log, UPSTREAM, tag, not_built)

    originals._CHOICE.write_text(originals.OFFICIAL)
    assert mirror.provide(log, UPSTREAM, tag, not_built)
    target = f"docker://{mirror.path_in_mirror(UPSTREAM)}"
    assert skopeo("inspect", "--config", target) == skopeo("inspect", "--config", f"docker://{AT_GITLABS}")
    assert not mirror.provide(log, UPSTREAM, tag, not_built)
    engine.client().images.remove(tag)


def test_only_gitlabs_own_are_taken() -> None:
    assert originals.takes("docker.io/gitlab/gitlab-ce:19.4.0-ce.0")
    assert originals.takes(UPSTREAM)
    assert not originals.takes("docker.io/library/nginx:1.28-alpine")


def test_says_what_cannot_be_had(log: StepLog) -> None:
    missing = "registry.gitlab.com/lab-test/nowhere:1"
    with pytest.raises(LabError, match=f"GITLAB=official takes {missing}, which cannot be had") as refused:
        mirror.provide(log, missing, "none:none", not_built)
    assert "registries.conf" in refused.value.fix


def test_a_lab_keeps_its_choice(log: StepLog) -> None:
    assert originals.choose(log, None) == originals.OFFICIAL
    with pytest.raises(LabError, match="begun with GITLAB=official, not stand-ins") as refused:
        originals.choose(log, originals.STAND_INS)
    assert "make down" in refused.value.fix


def _copy(folder: Path, context: Path) -> None:
    for file in folder.iterdir():
        (context / file.name).write_bytes(file.read_bytes())
