"""Runs that were killed or waited, and lines that somebody has changed since."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from components.host.shell import UNPACK_AND_RUN, Script, bundle
from tests.scripts.rooted import Rooted
from tests.scripts.test_name_service import RESOLVER, asking  # noqa: F401
from tests.scripts.test_name_service import SCRIPTS as DNS
from tests.scripts.test_run_script import Runs, leave
from tests.scripts.test_sshd import Sshd, host_key  # noqa: F401


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "machine")


def test_whoever_waited_for_an_earlier_run_knows_that_it_has_begun(runs: Runs) -> None:
    """Pulumi was ended, the script goes on; the next up waits for it, and then takes its work for somebody else's."""
    environment = {"PATH": os.environ["PATH"], "ROOT": str(runs.root)}
    check = (
        'if [ "$BEGUN" = no ]; then touch "$ROOT/checking"; while [ ! -e "$ROOT/go" ]; do sleep 0.1; done; fi\n'
        'if [ "$BEGUN" = no ] && [ -e "$ROOT/made" ]; then refuse container "one of somebody else" free rename; fi\n'
    )
    scripts = {"install": 'touch "$ROOT/made"', "remove": "true", "check": check}
    processes = []
    for name in ("first", "second"):
        directory = runs.bundle(scripts).rename(runs.root / f"run/{name}")
        processes.append(
            subprocess.Popen(
                ["bash", str(directory / "run.sh"), "a-script", "install"],
                env=environment,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        while not (runs.root / "checking").exists():
            time.sleep(0.1)
        time.sleep(1)  # the second has come to the lock
    (runs.root / "go").touch()
    said = [process.communicate(timeout=30)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.95])
def test_what_arrived_in_part_does_not_stay(runs: Runs, cut: float, tmp_path: Path) -> None:
    """The connection ended while a bundle came: a part of it, with keys, stays in /run, and destroy leaves it there."""
    files = {"a-key.pem": "SECRET" * 3000, **{f"f{number}": os.urandom(2000).hex() for number in range(20)}}
    install = tmp_path / "install.sh"
    install.write_text("true\n")
    text = bundle(Script(install), files)
    command = UNPACK_AND_RUN.replace("/run/", f"{runs.root}/run/")
    subprocess.run(
        ["sh", "-c", command, "auto-devops", "x", "install"],
        input=text[: int(len(text) * cut)],
        text=True,
        check=False,
        capture_output=True,
    )
    leave(runs)
    assert [path.name for path in (runs.root / "run").iterdir()] == ["lock"]


def test_a_bundle_of_a_killed_run_does_not_stay(runs: Runs) -> None:
    """The same of a run that was killed."""
    left = runs.root / "run/auto-devops.AbCdEf/files"
    left.mkdir(parents=True)
    (left / "key.pem").write_text("SECRET")
    leave(runs)
    assert not left.exists()


@pytest.fixture
def sshd(tmp_path: Path, host_key: Path) -> Sshd:  # noqa: F811
    return Sshd(tmp_path, host_key)


def test_sshd_lines_without_their_end(sshd: Sshd) -> None:
    """What need_marks is for, in sshd's configuration: without the end mark all of the user's file goes."""
    sshd.configure("UsePAM no\nPermitRootLogin no\nMatch User git\n  PasswordAuthentication no\n")
    assert sshd.does("sshd-open") == ["22", "2222"]
    file = sshd.etc / "sshd_config"
    file.write_text(file.read_text().replace("# auto-devops: end\n", ""))
    sshd.step("leave")
    assert "PermitRootLogin no" in file.read_text()


@pytest.fixture
def machine(tmp_path: Path) -> Rooted:
    return Rooted(tmp_path / "machine")


@pytest.mark.parametrize(("unit", "verb"), [("systemd-resolved", "restart"), ("NetworkManager", "reload")])
def test_an_installation_that_was_ended_before_it_was_read_goes_on(asking: Rooted, unit: str, verb: str) -> None:  # noqa: F811
    """NetworkManager went on writing resolv.conf."""
    systemctl = f'case "$*" in *is-active*{unit}*) true ;; *is-active*) false ;; esac'
    asking.fake("systemctl", f'case "$*" in "{verb} {unit}") exit 1 ;; esac\n{systemctl}')
    assert asking.step(DNS / "resolver.sh", **RESOLVER).returncode == 1
    asking.fake("systemctl", systemctl)
    calls = len(asking.calls)
    done = asking.step(DNS / "resolver.sh", BEGUN="yes", **RESOLVER)
    assert done.returncode == 0, done.stderr
    assert f"systemctl {verb} {unit}" in asking.calls[calls:]


@pytest.mark.parametrize("where", ["first", "last"])
def test_a_file_without_an_end_of_line_is_as_it_was(machine: Rooted, where: str) -> None:
    """Awk ends every line, which sed did not."""
    file, lines = machine.write("etc/theirs.conf", "theirs = 1"), machine.root / "files/lines"
    lines.write_text("# auto-devops: why\nours = 2\n# auto-devops: end\n")
    step = machine.root / "tmp/step.sh"
    for text in (f"add_lines {lines} {file} {where}", f"take_lines {file}"):
        step.write_text(text)
        assert machine.run(step).returncode == 0
    assert file.read_text() == "theirs = 1"


def bind_left(machine: Rooted) -> None:
    machine.write("var/lib/auto-devops/packages/dns", "bind9\n")
    machine.write("var/lib/dpkg/status")
    machine.fake("dpkg-query", 'case "$*" in *Status*bind9*) printf installed ;; esac')
    machine.fake("dpkg", "true")
    machine.fake("apt-mark", "true")
    history = machine.write("history.log", "Start-Date: 1\nCommandline: apt install bind9\nInstall: bind9:amd64 (1)\n")
    machine.fake("apt-config", f"echo \"history='{history}'\"")
    machine.fake("zcat", 'cat "$2"')


def test_a_bind_that_stays_is_started_again_by_the_next_run(machine: Rooted) -> None:
    """By then the list of packages was gone, and BIND counted as never ours."""
    bind_left(machine)
    machine.fake(
        "systemctl",
        'case "$*" in "restart named") exit 1 ;; "stop named") touch $0.stopped ;; '
        "*is-active*) [ ! -e $0.stopped ] ;; esac",
    )
    assert machine.step(DNS / "remove.sh").returncode == 1
    machine.fake(
        "systemctl",
        'case "$*" in "start named" | "restart named") rm -f $0.stopped ;; *is-active*) [ ! -e $0.stopped ] ;; esac',
    )
    assert machine.step(DNS / "remove.sh").returncode == 0
    assert not (machine.root / "bin/systemctl.stopped").exists(), "somebody's BIND is left stopped"
