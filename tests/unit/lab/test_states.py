"""What is known of kept states of the lab: names, sources, which one `make up` begins with."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from lab import base, engine, originals, paths, states, storage
from lab.states import State
from lab.steps import LabError, StepLog

KEPT = State(
    name="up",
    saved="2026-01-02T03:04:05Z",
    made_by="up",
    sources="key",
    gitlab=originals.STAND_INS,
    machines=("mirror", "dns"),
    answers=("ingress",),
    copy="up.1",
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where descriptions are kept, empty at first."""
    monkeypatch.setattr(paths, "STATES", tmp_path / "states")
    paths.STATES.mkdir()
    return paths.STATES


def keep(state: State) -> None:
    (paths.STATES / f"{state.name}.json").write_text(json.dumps(dataclasses.asdict(state)))


def test_states_are_read_as_they_were_written_the_oldest_first() -> None:
    later = dataclasses.replace(KEPT, name="a-later-one", saved="2026-01-03T00:00:00Z", machines=())
    keep(later)
    keep(KEPT)
    assert states.all_states() == [KEPT, later]
    assert states.find("up") == KEPT


def test_a_description_that_was_not_finished_is_no_state() -> None:
    (paths.STATES / "up.draft").write_text('{"name": "u')
    assert states.all_states() == []


def test_an_unknown_name_is_told_with_those_there_are() -> None:
    keep(KEPT)
    with pytest.raises(LabError, match=r"no state 'down'; kept are: up"):
        states.find("down")


@pytest.mark.parametrize("name", ["up", "bare-machines", "up.2", "0_9"])
def test_names_that_are_files(name: str) -> None:
    states.check_name(name)


@pytest.mark.parametrize("name", ["", "Up", "a/b", "..", "-up", "a b", "x" * 80])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(LabError, match="no name for a state"):
        states.check_name(name)


def test_make_up_begins_with_the_state_of_the_same_sources() -> None:
    keep(KEPT)
    assert states.usable_for_up("key", None) == KEPT
    assert states.usable_for_up("key", originals.STAND_INS) == KEPT


@pytest.mark.parametrize(
    "other",
    [
        {"sources": "another key"},
        {"made_by": "machines"},
        {"name": "another-name"},
        {"gitlab": originals.OFFICIAL},
    ],
)
def test_make_up_begins_from_nothing_where_the_state_is_another(other: dict[str, Any]) -> None:
    keep(dataclasses.replace(KEPT, **other))
    assert states.usable_for_up("key", None) is None


def test_a_state_of_other_sources_is_refused_with_the_way_on() -> None:
    states.check_sources(KEPT, "key")
    with pytest.raises(LabError) as raised:
        states.check_sources(KEPT, "another key")
    assert "load up --force" in raised.value.fix


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one source file, on a computer whose base image does not change."""
    root = tmp_path / "repository"
    (root / "components").mkdir(parents=True)
    (root / "components/one.py").write_text("1")
    monkeypatch.setattr(paths, "REPOSITORY", root)
    monkeypatch.setattr(base, "tag", lambda: "base:1")
    return root


@pytest.mark.parametrize("file", ["components/one.py", "components/two.py", "Pulumi.dev.yaml", "lab/machine/run.sh"])
def test_a_changed_source_changes_the_key(repository: Path, file: str) -> None:
    before = states.sources_key()
    (repository / file).parent.mkdir(parents=True, exist_ok=True)
    (repository / file).write_text("changed")
    assert states.sources_key() != before


@pytest.mark.parametrize(
    "file",
    ["docs/page.html", "tests/lab/test_a.py", "README.md", "lab/README.md", ".git/index", "lab/__pycache__/a.pyc"],
)
def test_what_gets_into_no_lab_does_not_change_the_key(repository: Path, file: str) -> None:
    before = states.sources_key()
    (repository / file).parent.mkdir(parents=True, exist_ok=True)
    (repository / file).write_text("changed")
    assert states.sources_key() == before


def test_a_file_that_moves_changes_the_key(repository: Path) -> None:
    before = states.sources_key()
    (repository / "settings").mkdir()
    (repository / "components/one.py").rename(repository / "settings/one.py")
    assert states.sources_key() != before


def test_another_base_image_changes_the_key(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = states.sources_key()
    monkeypatch.setattr(base, "tag", lambda: "base:2")
    assert states.sources_key() != before


def test_a_state_has_the_ca_file_of_its_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program's file is outside the lab, and a later stack `dev` writes its own."""
    log = StepLog(tmp_path / "log")
    monkeypatch.setattr(paths, "CA_FILE", tmp_path / "home/ca/dev.crt")
    monkeypatch.setattr(states, "_CA_FILE", tmp_path / "lab/ca.crt")
    copies: dict[str, str | None] = {}

    def content(file: Path) -> str | None:
        return file.read_text() if file.exists() else None

    def save(_: StepLog, copy: str) -> None:
        copies[copy] = content(states._CA_FILE)

    def load(_: StepLog, copy: str) -> None:
        states._CA_FILE.unlink(missing_ok=True)
        if (saved := copies[copy]) is not None:
            states._CA_FILE.write_text(saved)

    monkeypatch.setattr(states, "sources_key", lambda: "key")
    monkeypatch.setattr(storage, "save", save)
    monkeypatch.setattr(storage, "load", load)
    monkeypatch.setattr(storage, "copies_in_a_moment", lambda: True)
    monkeypatch.setattr(storage, "keep_only", lambda *_: None)
    monkeypatch.setattr(engine, "remove_cgroups", lambda _: None)
    (tmp_path / "lab").mkdir()
    states._save(log, "bare", (), [])
    paths.CA_FILE.parent.mkdir(parents=True)
    paths.CA_FILE.write_text("the first stack's")
    states._save(log, "up", (), [])
    paths.CA_FILE.write_text("a later stack's")
    states._load(log, states.find("up"))
    assert content(paths.CA_FILE) == "the first stack's"
    states._load(log, states.find("bare"))
    assert content(paths.CA_FILE) is None
