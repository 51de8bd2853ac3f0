"""The lab's files where every file is copied: what is left when a load is interrupted. No mounts: those need root."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import engine, paths, storage
from lab.steps import LabError, StepLog


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StepLog:
    """A log, with the storage in a place of its own: plain folders, nothing mounted."""
    root = tmp_path / "storage"
    for name, path in {
        "STORAGE": root,
        "DISK": root / "disk.xfs",
        "DISK_MOUNT": root / "disk",
        "LIVE": root / "live",
    }.items():
        monkeypatch.setattr(paths, name, path)
    monkeypatch.setattr(storage, "_PLACES", {})
    monkeypatch.setattr(engine, "processes", list)
    monkeypatch.setattr(storage, "_provide_disk", lambda log: "")
    monkeypatch.setattr(storage, "attached", lambda: False)
    monkeypatch.setattr(storage, "_in_place", lambda name: False)
    paths.LIVE.mkdir(parents=True)
    (paths.LIVE / "lab").write_text("first")
    return StepLog(tmp_path / "log")


def test_a_saved_copy_comes_back(log: StepLog) -> None:
    storage.save(log, "a")
    (paths.LIVE / "lab").write_text("second")
    (paths.LIVE / "more").write_text("")
    storage.load(log, "a")
    assert [(each.name, each.read_text()) for each in paths.LIVE.iterdir()] == [("lab", "first")]


def test_a_copy_is_loaded_as_often_as_one_likes(log: StepLog) -> None:
    storage.save(log, "a")
    for _ in range(2):
        (paths.LIVE / "lab").write_text("second")
        storage.load(log, "a")
        assert (paths.LIVE / "lab").read_text() == "first"


def test_a_copy_that_is_gone_leaves_the_files_as_they_are(log: StepLog) -> None:
    with pytest.raises(LabError, match="is not there"):
        storage.load(log, "a")
    assert (paths.LIVE / "lab").read_text() == "first"


def test_a_load_that_ended_between_two_renames_is_undone(log: StepLog) -> None:
    paths.LIVE.rename(storage._aside(paths.LIVE))
    storage.attach(log)
    assert (paths.LIVE / "lab").read_text() == "first"


def test_copies_that_no_state_names_are_removed(log: StepLog) -> None:
    for name in ("a", "b"):
        storage.save(log, name)
    storage.keep_only(log, {"b"})
    with pytest.raises(LabError):
        storage.load(log, "a")
    storage.load(log, "b")
    assert (paths.LIVE / "lab").read_text() == "first"


def test_a_full_disk_takes_no_other_state(log: StepLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_FREE_WANTED", 2**80)
    with pytest.raises(LabError, match="too little for another state"):
        storage.save(log, "a")
