"""How findings read, and what the command ends with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.host import Finding
from preflight import __main__ as command
from preflight import config, looking, report
from preflight.config import NotRead

REFUSED = Finding("dns", "refused", "system", "Plan 9, fourth edition", "Debian 12 or 13", "install one of them on dns")
WARNED = Finding("k8s", "warning", "swap", "on", "off", "on k8s: swapoff -a")
FINE = [Finding("k8s", "ok", "user", "root"), Finding("dns", "ok", "user", "root")]
ALL = [REFUSED, WARNED, *FINE]


def test_table(snapshot: Any) -> None:
    assert report.table(ALL, 120) == snapshot


def test_a_fix_is_in_one_line_however_narrow() -> None:
    lines = report.table([REFUSED], 80).splitlines()
    assert lines[0].split() == ["machine", "what", "found", "wanted", "fix"]
    assert lines[2].endswith("install one of them on dns")
    assert all(len(line) <= 80 for line in lines[3:])


def test_hosts_stay_in_one_piece() -> None:
    found = Finding("a-machine-called-so", "warning", "download from gone.example.internal", "no", "it", "look")
    rows = report.table([found], 80)
    assert "gone.example.internal" in rows and "a-machine-called-so" in rows


def test_colors_only_where_asked_for() -> None:
    assert "\x1b" not in report.table(ALL, 120)
    assert report.table(ALL, 120, color=True).count("\x1b[31m") == 1


def test_all_fine() -> None:
    assert report.table(FINE, 120) == "k8s: 1 as it should be: user\n\ndns: 1 as it should be: user"
    assert report.closing("dev", FINE, 1.25) == "stack 'dev': 0 refused, 0 warnings in 1.2 s: ready for pulumi up"


def test_json() -> None:
    found = json.loads(report.as_json("dev", ALL))
    assert (found["stack"], found["refused"], found["warning"], found["ok"]) == ("dev", 1, 1, 2)
    assert found["findings"][0] == {
        "machine": "dns",
        "level": "refused",
        "what": "system",
        "found": "Plan 9, fourth edition",
        "wanted": "Debian 12 or 13",
        "fix": "install one of them on dns",
    }


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A CLI that prints what is in the file `values`; the words it is called with are in `calls`."""
    program = tmp_path / "pulumi"
    program.write_text(
        f'#!/bin/sh\necho "$*" >>{tmp_path}/calls\n'
        f'case "$1" in stack) echo home ;; config) cat {tmp_path}/values ;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path


def write(pulumi: Path, good: dict[str, Any], secret: tuple[str, ...] = ()) -> None:
    """The stack's settings, as `pulumi config --json` prints them."""
    values = {
        f"auto-devops:{key}": {"value": value if isinstance(value, str) else json.dumps(value), "secret": key in secret}
        for key, value in good.items()
    }
    (pulumi / "values").write_text(json.dumps(values | {"other:key": {"value": "x", "secret": False}}))


@pytest.mark.parametrize(("found", "status"), [(ALL, 1), ([WARNED, *FINE], 0), (FINE, 0)])
def test_exit_status(
    pulumi: Path,
    good: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    found: list[Finding],
    status: int,
) -> None:
    write(pulumi, good)
    monkeypatch.setattr(looking, "look", lambda stack, name, patience, tell: found)
    assert command.main([]) == status
    printed = capsys.readouterr().out
    assert "stack 'home'" in printed and ("Plan 9" in printed) == (status == 1)
    assert command.main(["--json"]) == status
    assert len(json.loads(capsys.readouterr().out)["findings"]) == len(found)


def test_wrong_settings_are_told_as_the_program_does(
    pulumi: Path, good: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    good["registry"]["hots"] = "x"
    write(pulumi, good)
    assert command.main([]) == 2
    said = capsys.readouterr().err
    assert said.startswith("1 setting of stack 'home' is wrong; nothing was changed.")
    assert "did you mean registry.host?" in said and "Traceback" not in said


def test_the_stack_and_its_file_are_handed_on(pulumi: Path, good: dict[str, Any]) -> None:
    good["registry"]["login"] = {"username": "ci", "password": "correct horse"}
    write(pulumi, good, secret=("registry",))
    name, stack = config.read("there", "x.yaml")
    assert name == "there" and stack.registry.login is not None
    calls = (pulumi / "calls").read_text().splitlines()
    assert calls == ["config --json --show-secrets --stack there --config-file x.yaml --non-interactive"]


def test_a_cli_that_fails(pulumi: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (pulumi / "pulumi").write_text("#!/bin/sh\necho \"error: no stack named 'x' found\" >&2; exit 255\n")
    assert command.main(["--stack", "x"]) == 2
    assert "no stack named 'x' found" in capsys.readouterr().err


def test_no_cli(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NotRead, match="not on PATH"):
        config.read("x", None)
