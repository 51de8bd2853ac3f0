"""The script that makes a repository's first commit, with a GitLab whose answers are listed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.scripts.machine import ROOT, Machine

SCRIPT = ROOT / "components/auto_devops_project/scripts/first-commit.sh"


def run(
    root: Path, *answers: str, patience: str = "60", unusable: str | None = None
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Runs it; GitLab gives those answers ("STATUS BODY"), the last one for ever. And what GitLab was asked."""
    machine = Machine(root / "machine")
    machine.files({"curl.conf": "", "commit.json": "{}", **({"unusable": unusable} if unusable else {})})
    (machine.root / "answers").write_text("\n".join(answers) + "\n")
    machine.fake("dpkg-query", "echo installed")
    machine.fake("sleep", "/bin/sleep 0.01")
    machine.fake(
        "curl",
        f"""answers={machine.root}/answers
        for word in "$@"; do [ "$previous" != -o ] || output=$word; previous=$word; done
        read -r status body <$answers
        [ "$(wc -l <$answers)" = 1 ] || sed -i 1d $answers
        printf '%s' "$body" >"$output"
        printf '%s' "$status" """,
    )
    result = machine.run(SCRIPT, GITLAB="gitlab.lab", ADDRESS="10.0.0.1", PROJECT="team/hello", PATIENCE=patience)
    asked = ["commits" if "/commits" in call else "branches" for call in machine.calls if call.startswith("curl ")]
    return result, asked


def test_an_empty_repository_gets_its_commit(tmp_path: Path) -> None:
    result, asked = run(tmp_path, "200 [ ]", "201 {}")
    assert (result.returncode, asked) == (0, ["branches", "commits"]), result.stderr


def test_whoever_was_faster_wins(tmp_path: Path) -> None:
    result, asked = run(tmp_path, '200 [{"name": "main"}]')
    assert (result.returncode, asked) == (0, ["branches"]), result.stderr
    assert "stay as they are" in result.stderr


@pytest.mark.parametrize("passing", ["000", "502 <html>", "503 <html>", "504", "429"])
def test_what_passes_is_waited_for(tmp_path: Path, passing: str) -> None:
    result, asked = run(tmp_path, passing, passing, "200 []", passing, "200 []", "201 {}")
    assert result.returncode == 0, result.stderr
    assert asked == ["branches", "branches", "branches", "commits", "branches", "commits"]


def test_a_commit_whose_answer_was_lost_is_not_made_twice(tmp_path: Path) -> None:
    result, asked = run(tmp_path, "200 []", "504", '200 [{"name": "main"}]')
    assert (result.returncode, asked) == (0, ["branches", "commits", "branches"]), result.stderr


def test_it_does_not_wait_for_ever(tmp_path: Path) -> None:
    result, _ = run(tmp_path, "503 deploy in progress", patience="1")
    assert result.returncode == 1
    assert "branches answered 503 for 1 s: deploy in progress" in result.stderr


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        (["401 {}"], "does not take the token"),
        (["404 {}"], "branches answered 404"),
        (["200 []", "400 file_path"], "commits answered 400: file_path"),
        (["500 {}"], "branches answered 500"),
    ],
)
def test_what_does_not_pass_is_told_at_once(tmp_path: Path, answers: list[str], found: str) -> None:
    result, asked = run(tmp_path, *answers)
    assert result.returncode == 1
    assert found in result.stderr
    assert len(asked) == len(answers)


def test_a_directory_that_is_gone_matters_to_an_empty_repository_alone(tmp_path: Path) -> None:
    gone = "/src/hello, which does not exist"
    result, asked = run(tmp_path / "a", '200 [{"name": "main"}]', unusable=gone)
    assert (result.returncode, asked) == (0, ["branches"]), result.stderr
    result, asked = run(tmp_path / "b", "200 []", unusable=gone)
    assert (result.returncode, asked) == (1, ["branches"]), result.stderr
    assert gone in result.stderr
