"""`make test`: every check runs, whatever becomes of the others, and what pytest said last is repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("rich", reason="the checks need requirements-dev.txt")

from lab import paths
from tools import check
from tools.check import Check


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(check, "_LOGS", tmp_path / "logs")
    return tmp_path


def _table(monkeypatch: pytest.MonkeyPatch, *table: Check) -> None:
    monkeypatch.setattr(check, "checks", lambda: iter(table))


def test_every_check_runs_though_one_fails(
    logs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [Check("lint", f"other {n}", (("touch", logs / f"{n}"),)) for n in range(4)]
    failing = Check("lint", "failing", (("sh", "-c", "echo because; exit 1"), ("touch", logs / "after")))
    _table(monkeypatch, failing, *others)
    assert check.run(["lint"]) == 1
    assert {"0", "1", "2", "3", "after"} <= {path.name for path in logs.iterdir()}
    assert "make lint: FAILED, 5 checks" in capsys.readouterr().out.splitlines()[-1]


def test_what_pytest_said_last_is_repeated(
    logs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = Check("unit", "unit tests", (("echo", "824 passed, 2 warnings in 9.87s (0:00:09)"),))
    _table(monkeypatch, said, Check("lint", "ruff", (("true",),)))
    assert check.run(["unit"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2] == "unit tests: 824 passed, 2 warnings in 9.87s (0:00:09)"
    assert lines[-1].startswith("make unit: passed, 1 checks in ")


def test_one_part_beside_another_leaves_its_logs(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _table(monkeypatch, Check("unit", "unit tests", (("true",),)), Check("lint", "ruff", (("true",),)))
    for parts in (["unit"], ["lint"]):
        assert check.run(parts) == 0
    assert {log.name for log in logs.rglob("*.log")} == {"unit-tests.log", "ruff.log"}


def test_logs_are_the_users() -> None:
    assert paths.CACHE in check._LOGS.parents
