"""run.sh: how a script, its check and its removal run on a machine, and what is remembered of it there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.host.checks import findings
from components.host.command import printed
from components.host.shell import LIBRARY, RUNNER, SCRIPTS
from tests.scripts.machine import remembered

NAME = "a-script"
# As commit 7b9176a did it, of run.sh; its step library was one file.
OLDER = """set -euo pipefail
bundle=$(cd "$(dirname "$0")" && pwd)
trap 'rm -rf "$bundle"' EXIT
. "$bundle/lib.sh"
removal="$STATE/removals/$1"
if [ "$2" = install ] && [ -e "$bundle/remove.sh" ]; then
  rm -rf "$removal"
  mkdir -p "$removal"
  cp "$bundle/run.sh" "$bundle/lib.sh" "$bundle/remove.sh" "$removal"
  export -p | grep -v '^declare -x TMPDIR=' >"$removal/environment"
fi
(. "$bundle/$2.sh")
if [ "$2" = remove ]; then rm -rf "$removal"; fi
"""


@dataclass
class Runs:
    """A machine in a directory, whose state and locks are below `root`."""

    root: Path

    def __post_init__(self) -> None:
        (self.root / "run/lock").mkdir(parents=True)
        (self.root / "var/lib").mkdir(parents=True)
        (self.root / "bin").mkdir()

    def moved(self, text: str) -> str:
        return re.sub(r"(?<![\w./$}-])/(?=(var|run)/)", f"{self.root}/", text)

    def bundle(self, scripts: dict[str, str], *, older: bool = False) -> Path:
        directory = self.root / "run/auto-devops.bundle"
        directory.mkdir()
        for path in (RUNNER, *LIBRARY):
            (directory / path.name).write_text(self.moved(path.read_text()))
        if older:
            for path in (*LIBRARY, RUNNER):
                (directory / path.name).unlink()
            (directory / "run.sh").write_text(OLDER)
            (directory / "lib.sh").write_text(f"STATE={self.state}\n")
        for name, text in scripts.items():
            (directory / f"{name}.sh").write_text(text)
        return directory

    def run(
        self,
        step: str,
        *,
        name: str = NAME,
        older: bool = False,
        variables: dict[str, str] | None = None,
        **scripts: str,
    ) -> subprocess.CompletedProcess[str]:
        bundle = self.bundle(scripts, older=older)
        result = subprocess.run(
            ["bash", str(bundle / "run.sh"), name, step],
            env={"PATH": f"{self.root}/bin:{os.environ['PATH']}", "ROOT": str(self.root), **(variables or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        if result.returncode == -9:
            shutil.rmtree(bundle)
        assert not bundle.exists(), "it may hold secrets"
        return result

    def cut(self, program: str, arguments: str) -> None:
        """The power goes off, once, before `program` is run with arguments of this pattern."""
        path = self.root / "bin" / program
        path.write_text(
            f'#!/bin/bash\nif [[ "$*" == {arguments} ]]; then rm -f "$0"; kill -9 $PPID; exit 1; fi\n'
            f'exec /bin/{program} "$@"\n'
        )
        path.chmod(0o755)

    @property
    def state(self) -> Path:
        return self.root / "var/lib/auto-devops"

    @property
    def listing(self) -> list[str]:
        return sorted(str(path) for path in self.root.rglob("*"))

    @property
    def removal(self) -> Path:
        return self.state / "removals" / NAME


@pytest.fixture
def machine(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "machine")


TELL = 'echo "$BEGUN $LEGACY"\n'


def told(machine: Runs) -> str:
    result = machine.run("install", install=TELL, remove="true")
    assert result.returncode == 0, result.stderr
    return printed(result.stdout)


def test_a_script_knows_whether_it_has_begun(machine: Runs) -> None:
    assert told(machine) == "no no"
    assert told(machine) == "yes no"
    assert machine.run("remove", install=TELL, remove=TELL).stdout.splitlines()[1] == "yes no"
    assert remembered(machine.state) == []
    assert told(machine) == "no no"


def test_it_has_begun_also_where_it_failed(machine: Runs) -> None:
    assert machine.run("install", install="false", remove="true").returncode == 1
    assert told(machine) == "yes no"


def test_from_an_older_release_on(machine: Runs) -> None:
    """Until a run of today's has succeeded, what the older one placed is not taken for the user's."""
    machine.run("install", older=True, install="true", remove="true")
    assert machine.run("check", check=TELL).stdout.split() == ["yes", "yes"]
    failing = machine.run("install", install=TELL + "false", remove="true")
    assert (failing.returncode, failing.stdout.splitlines()[1:]) == (1, ["yes yes"])
    assert told(machine) == "yes yes"
    assert told(machine) == "yes no"
    machine.run("install", older=True, install="true", remove="true")  # somebody went back
    assert told(machine) == "yes yes"


def test_an_older_release_takes_back_what_todays_began(machine: Runs) -> None:
    told(machine)
    result = machine.run("remove", older=True, remove=f"touch {machine.root}/removed", install="")
    assert result.returncode == 0, result.stderr
    assert (machine.root / "removed").exists() and not machine.removal.exists()


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("mkdir", "*removals*"),
        ("cp", "*removals*"),
        ("mv", f"*/{NAME}\\ *.old"),
        ("mv", "*.new\\ *"),
        ("rm", "*.old"),
    ],
)
@pytest.mark.parametrize("older", [True, False])
def test_killed_while_the_removal_is_remembered(machine: Runs, program: str, arguments: str, older: bool) -> None:
    """It has begun, and what began is taken back, whenever that was."""
    machine.run("install", older=older, install="true", remove='echo "first" >>"$ROOT/removed"')
    machine.cut(program, arguments)
    result = machine.run("install", install="true", remove='echo "second" >>"$ROOT/removed"')
    assert result.returncode == -9 or program == "cp", result
    assert machine.run("check", check="echo $BEGUN $LEGACY").stdout.split() == ["yes", "yes" if older else "no"]
    leave(machine)
    assert (machine.root / "removed").read_text() in ("first\n", "second\n")
    assert not machine.state.exists()


def test_killed_while_the_first_removal_is_remembered(machine: Runs) -> None:
    """Nothing was begun: what is there is somebody else's."""
    machine.cut("mv", "*.new\\ *")
    assert machine.run("install", install="true", remove="false").returncode == -9
    assert machine.run("check", check="echo $BEGUN").stdout.strip() == "no"
    leave(machine)
    assert not machine.state.exists()


def leave(machine: Runs) -> subprocess.CompletedProcess[str]:
    result = machine.run("remove", name="ready", remove=machine.moved((SCRIPTS / "leave.sh").read_text()))
    assert result.returncode == 0, result.stderr
    return result


def test_a_check_leaves_nothing(machine: Runs) -> None:
    before = machine.listing
    result = machine.run("check", check='ok system Debian; refuse disk "1 MiB" "2 MiB" "make room"')
    assert machine.listing == before
    assert result.returncode == 0
    assert [(finding.level, finding.what) for finding in findings("gitlab", result.stdout)] == [
        ("ok", "system"),
        ("refused", "disk"),
    ]


def test_a_refusal_changes_nothing_and_tells_all(machine: Runs) -> None:
    check = "refuse disk little much 'make room'; warn clock late right wait; refuse system BSD Debian 'install it'"
    result = machine.run("install", install='touch "$ROOT/changed"', remove="true", check=check)
    assert result.returncode == 1
    for text in ("disk: little; nothing was changed", "make room", "system: BSD", "install it", "clock: late"):
        assert text in result.stderr
    assert not (machine.root / "changed").exists() and remembered(machine.state) == []


def test_a_check_that_breaks_off_ends_the_script(machine: Runs) -> None:
    check = "set -euo pipefail\nwarn clock late right wait\nfalse\nok never reached"
    result = machine.run("install", install='touch "$ROOT/changed"', remove="true", check=check)
    assert result.returncode == 1
    assert "clock: late" in result.stderr and "a check that broke off" in result.stderr
    assert not (machine.root / "changed").exists() and remembered(machine.state) == []


def test_a_refused_script_that_began_stays_remembered(machine: Runs) -> None:
    told(machine)
    machine.run("install", install="true", remove="true", check="refuse disk little much room")
    assert machine.removal.exists()


ODD = {
    "SPACES": " a  b ",
    "QUOTES": 'it\'s "quoted" `x` $(y) $HOME \\',
    "LINES": "one\ndeclare -x TMPDIR=two\n",
    "BYTES": "\udcff\udcfe",
    "UMLAUT": "Größe",
}


def test_the_removal_has_the_installations_variables(machine: Runs) -> None:
    names = " ".join(ODD)
    save = f'for name in {names}; do printf "%s\\0" "${{!name}}"; done >"$ROOT/'
    result = machine.run("install", install=save + '1"', remove=save + '2"', variables=ODD)
    assert result.returncode == 0, result.stderr
    leave(machine)
    assert (machine.root / "1").read_bytes() == (machine.root / "2").read_bytes()
    assert (machine.root / "1").read_bytes() == b"".join(os.fsencode(value) + b"\0" for value in ODD.values())


def test_a_removal_that_fails_fails_and_stays(machine: Runs) -> None:
    """The next destroy finishes it; others are not held up by it."""
    removes = {
        "first": 'touch "$ROOT/first"',
        "second": 'if [ ! -e "$ROOT/mended" ]; then echo reasons >&2; false; fi',
        "third": 'touch "$ROOT/third"',
    }
    for name, remove in removes.items():
        machine.run("install", name=name, install="true", remove=remove)
    step = machine.moved((SCRIPTS / "leave.sh").read_text())
    result = machine.run("remove", name="ready", remove=step)
    assert result.returncode == 1
    assert "reasons" in result.stderr and "removals that failed (their words are above): second" in result.stderr
    assert (machine.root / "first").exists() and (machine.root / "third").exists()
    assert [path.name for path in (machine.state / "removals").iterdir()] == ["second"]
    (machine.root / "mended").touch()
    leave(machine)
    assert not machine.state.exists()


def test_an_older_release_was_killed_before_it_began(machine: Runs) -> None:
    machine.removal.mkdir(parents=True)
    (machine.removal / "run.sh").write_text(OLDER)
    leave(machine)
    assert not machine.state.exists()


def test_what_was_not_given_back_is_named(machine: Runs) -> None:
    (machine.state / "before/etc").mkdir(parents=True)
    (machine.state / "before/etc/resolv.conf").symlink_to("nowhere")
    assert "before/etc/resolv.conf" in leave(machine).stderr


@pytest.mark.parametrize("character", ["\n", "\r", "\t", "\v", "\f", "\x1c", "\x1e", "\x1f"])
def test_no_value_breaks_a_finding(machine: Runs, character: str) -> None:
    check = f"refuse what $'a{character}b' wanted 'fix '"
    (found,) = findings("m", machine.run("check", check=check).stdout)
    assert (found.level, found.what, found.found, found.wanted, found.fix) == (
        "refused",
        "what",
        "a b",
        "wanted",
        "fix",
    )


def test_a_login_shell_that_prints(machine: Runs) -> None:
    """Also without ending its line."""
    output = "Welcome! " + machine.run("check", check="refuse system BSD Debian 'install it'").stdout + "Bye\x1f\n"
    assert [finding.what for finding in findings("m", output)] == ["system"]


@pytest.mark.parametrize("kind", ["directory", "link", "nothing", "empty", "not there"])
def test_whose_data_it_is(machine: Runs, kind: str) -> None:
    data = machine.root / "data"
    if kind in ("directory", "empty"):
        data.mkdir()
    elif kind == "link":
        (machine.root / "disk").mkdir()
        data.symlink_to(machine.root / "disk")
    if kind in ("directory", "link"):
        (data / "something").touch()
    check = 'if theirs "$ROOT/data"; then refuse data theirs none move; fi'
    refused = bool(findings("m", machine.run("check", check=check).stdout))
    assert refused == (kind in ("directory", "link"))
    assert not findings("m", machine.run("check", check=check, variables={"ADOPT": f"/srv/x:{data}"}).stdout)
    told(machine)
    assert not findings("m", machine.run("check", check=check).stdout)
