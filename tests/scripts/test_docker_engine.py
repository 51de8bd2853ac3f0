"""Somebody's Docker with the stack's options: what the engine reads, and what its containers live through."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.docker_engine.docker_engine import PROGRAMS, SCRIPTS, options
from tests.scripts.engine import DROPIN, OURS, SYSTEMCTL, Engine, only
from tests.scripts.machine import remembered


@pytest.fixture
def machine(tmp_path: Path) -> Engine:
    return Engine(tmp_path / "machine")


@pytest.fixture
def reloading(machine: Engine) -> Iterator[Engine]:
    """The same, with an engine that takes up live-restore on SIGHUP: from the file it has, where that has the key."""
    root = machine.root
    machine.put(
        "on-hup",
        f"""file={root}/etc/docker/daemon.json
        if grep -q auto-devops {root}/proc/$1/cmdline 2>/dev/null; then file={root}/{OURS}/daemon.json; fi
        value=$(jq '."live-restore"' $file)
        if [ "$value" != null ]; then echo $value >{root}/live; fi
        echo reload >>{root}/reloads""",
    )
    program = f"cd {root}; trap 'bash on-hup $$' HUP; echo $$ >pid; while :; do read -r -t 0.05 _ <>fifo || true; done"
    os.mkfifo(machine.root / "fifo")
    (machine.root / "pid").unlink()
    # A shell does not catch a signal that it was started to ignore, as below `nohup`.
    command = ["env", "--default-signal=HUP", "bash", "-c", program]
    with subprocess.Popen(command) as process:
        while not (machine.root / "pid").exists() or not machine.read("pid"):
            pass
        yield machine
        process.kill()


# What the engine reads


def merged(machine: Engine, theirs: str | None, mirrors: list[str] | None = None) -> dict[str, Any]:
    """The engine's file, made of the user's daemon.json and our options."""
    if theirs is not None:
        machine.put("etc/docker/daemon.json", theirs)
    machine.put(f"{OURS}/options.json", options(2376, mirrors or []))
    program = machine.put("program", machine.rooted(PROGRAMS["docker-options.sh"]))
    done = machine.program(program)
    assert done.returncode == 0, done.stderr
    if theirs is not None:
        assert machine.read("etc/docker/daemon.json") == theirs
    return dict(json.loads(machine.read(f"{OURS}/daemon.json")))


@pytest.mark.parametrize("theirs", [None, "", "\n", "{}"])
def test_without_a_daemon_json_it_is_our_options(machine: Engine, theirs: str | None) -> None:
    assert merged(machine, theirs, ["https://mirror.corp"]) == json.loads(options(2376, ["https://mirror.corp"]))


def test_the_users_word_stands(machine: Engine) -> None:
    theirs = {
        "data-root": "/data/docker",
        "live-restore": False,
        "registry-mirrors": ["https://theirs", "https://both"],
        "log-opts": {"max-size": "1g", "compress": "true"},
        "default-ulimits": {"nofile": {"Name": "nofile", "Hard": 5, "Soft": 5}},
    }
    found = merged(machine, json.dumps(theirs), ["https://both", "https://ours"])
    assert found["registry-mirrors"] == ["https://theirs", "https://both", "https://ours"]
    assert found["log-opts"] == {"max-size": "1g", "max-file": "3", "compress": "true"}
    for key in ("data-root", "live-restore", "default-ulimits"):
        assert found[key] == theirs[key]


@pytest.mark.parametrize(
    ("driver", "wanted"),
    [
        ({}, {"max-size": "10m", "max-file": "3"}),
        ({"log-driver": "json-file"}, {"max-size": "10m", "max-file": "3"}),
        ({"log-driver": "local"}, {"max-size": "10m", "max-file": "3"}),
        ({"log-driver": "journald"}, None),
        ({"log-driver": "journald", "log-opts": {"tag": "x"}}, {"tag": "x"}),
    ],
)
def test_log_options_go_where_the_driver_knows_them(machine: Engine, driver: dict[str, Any], wanted: object) -> None:
    assert merged(machine, json.dumps(driver)).get("log-opts") == wanted


def test_the_stack_says_where_the_engine_listens(machine: Engine) -> None:
    found = merged(machine, json.dumps({"hosts": ["fd://"], "tlscacert": "/theirs", "debug": True}))
    assert found["hosts"] == ["fd://", "tcp://0.0.0.0:2376"]
    assert (
        found["tlsverify"] is True and found["tlscacert"] == "/etc/docker/auto-devops/ca.pem" and found["debug"] is True
    )


def test_a_broken_daemon_json_keeps_what_was_merged_before(machine: Engine) -> None:
    before = merged(machine, "{}")
    machine.put("etc/docker/daemon.json", "{")
    assert machine.program(machine.root / "program").returncode != 0
    assert json.loads(machine.read(f"{OURS}/daemon.json")) == before


# What containers of the user's live through


def test_containers_live_through_the_stack(reloading: Engine) -> None:
    machine, daemon = reloading, {"log-driver": "journald"}
    machine.user_has("docker.io", daemon, "theirs")
    before = machine.read("etc/docker/daemon.json")
    stamp = (machine.root / "etc/docker/daemon.json").stat().st_mtime_ns

    done = machine.install()
    assert done.returncode == 0, done.stderr
    assert done.stdout == "20.10.24\n" and "they go on while it restarts" in done.stderr
    assert machine.calls.count("systemctl restart docker") == 1
    assert machine.read("running") == "theirs\n"
    assert json.loads(machine.read(f"{OURS}/daemon.json"))["live-restore"] is True
    assert machine.read("etc/docker/daemon.json") == before

    # Another run restarts nothing.
    assert machine.install().returncode == 0
    assert machine.calls.count("systemctl restart docker") == 1

    done = machine.step("remove")
    assert done.returncode == 0, done.stderr
    assert machine.calls.count("systemctl restart docker") == 2
    assert machine.read("running") == "theirs\n"
    assert machine.read("live") == "false\n"
    path = machine.root / "etc/docker/daemon.json"
    assert path.read_text() == before and path.stat().st_mtime_ns == stamp
    left = [path for name in ("etc/docker", "etc/systemd", "usr", "state") for path in (machine.root / name).rglob("*")]
    assert [path.name for path in left if path.is_file()] == ["daemon.json"]
    assert not [call for call in machine.calls if call.startswith(("docker rm", "docker volume rm", "apt-get purge"))]


def test_without_a_daemon_json_there_is_none_afterwards(reloading: Engine) -> None:
    reloading.user_has("docker-ce", None, "theirs")
    assert reloading.install().returncode == 0
    assert not (reloading.root / "etc/docker/daemon.json").exists()
    assert reloading.step("remove").returncode == 0
    assert reloading.read("running") == "theirs\n"
    assert not list((reloading.root / "etc/docker").iterdir())
    assert not [call for call in reloading.calls if "apt-get" in call]


def test_the_users_no_to_live_restore_stands(reloading: Engine) -> None:
    reloading.user_has("docker.io", {"live-restore": False}, "theirs")
    assert reloading.install().returncode == 0
    assert not (reloading.root / "reloads").exists()
    assert json.loads(reloading.read(f"{OURS}/daemon.json"))["live-restore"] is False


def test_an_engine_that_does_not_take_it_up_is_not_restarted(machine: Engine) -> None:
    machine.user_has("docker.io", {"debug": True}, "theirs")
    before = machine.read("etc/docker/daemon.json")
    with subprocess.Popen(["bash", "-c", "trap '' HUP; exec sleep 60"]) as deaf:
        machine.put("pid", f"{deaf.pid}\n")
        machine.fake("sleep", "true")
        done = machine.install()
        deaf.kill()
    assert done.returncode == 1 and "does not take up live-restore" in done.stderr
    assert "systemctl restart docker" not in machine.calls
    assert machine.read("running") == "theirs\n" and machine.read("etc/docker/daemon.json") == before


def test_a_killed_run_gives_the_daemon_json_back(machine: Engine) -> None:
    machine.user_has("docker.io", {"debug": True})
    assert machine.install().returncode == 0
    before = machine.read("etc/docker/daemon.json")
    program = machine.root / "usr/local/sbin/auto-devops-docker-live-restore"
    assert machine.program(program, "write", "true").returncode == 0
    assert machine.program(program, "write", "false").returncode == 0
    assert json.loads(machine.read("etc/docker/daemon.json")) == {"debug": True, "live-restore": False}
    assert machine.install().returncode == 0
    assert machine.read("etc/docker/daemon.json") == before


def test_an_engine_that_was_off_is_off_again(machine: Engine) -> None:
    machine.user_has()
    (machine.root / "active").unlink()
    machine.put("enabled", "disabled\n")
    systemctl = SYSTEMCTL.format(root=machine.root, dropin=DROPIN, ours=OURS)
    machine.fake("systemctl", systemctl.replace(f"cat {machine.root}/enabled ;;", "false ;;"))
    assert machine.install().returncode == 0 and (machine.root / "active").exists()
    assert machine.step("remove").returncode == 0
    assert not (machine.root / "active").exists() and "systemctl disable -q docker" in machine.calls


def test_a_run_killed_before_the_restart_is_finished(machine: Engine) -> None:
    machine.user_has()
    assert machine.install().returncode == 0
    systemctl = (machine.root / "bin/systemctl").read_text()
    machine.fake("systemctl", 'case "$*" in restart*) exit 1 ;; esac')
    assert machine.install("another\n").returncode == 1
    (machine.root / "bin/systemctl").write_text(systemctl)
    assert machine.install("another\n").returncode == 0
    assert machine.calls.count("systemctl restart docker") == 3
    assert machine.install("another\n").returncode == 0
    assert machine.calls.count("systemctl restart docker") == 3


# Packages


def test_a_missing_command_is_called_so(machine: Engine) -> None:
    machine.user_has()
    (machine.root / "bin/docker").unlink()
    machine.variables["PATH"] = only(machine, "jq")
    done = machine.install()
    assert done.returncode == 1 and "no command docker" in done.stderr and "does not answer" not in done.stderr
    assert "systemctl restart docker" not in machine.calls

    # Where apt knows it as a package of its own, it comes.
    machine.fake("apt-cache", "echo docker-cli - Linux container runtime")
    machine.install()
    assert [call for call in machine.calls if call.startswith("apt-get") and "docker-cli" in call]


def test_an_engine_that_could_not_be_asked_before_is_asked_once_the_command_is_there(machine: Engine) -> None:
    """Debian 13 with docker.io and no docker-cli, and a container that has a name of ours."""
    machine.user_has("docker.io", None, "nginx")
    (machine.root / "bin/docker").rename(machine.root / "docker")
    machine.variables["PATH"] = only(machine, "jq")
    machine.fake("apt-cache", "echo docker-cli - Linux container runtime")
    machine.fake(
        "apt-get",
        f"""case "$*" in
        *--simulate*docker-cli*) echo 'Inst docker-cli (26 Debian)' ;;
        *docker-cli*) mv {machine.root}/docker {machine.root}/bin/; echo docker-cli >>{machine.root}/installed ;;
        esac""",
    )
    found = machine.check()
    assert {what: finding.level for what, finding in found.items()} == {"docker command": "warning"}
    done = machine.install()
    assert done.returncode == 1 and "container nginx: one of somebody else's" in done.stderr
    assert "systemctl restart docker" not in machine.calls and not (machine.root / DROPIN).exists()


def test_what_was_refused_once_the_command_was_there_stays_refused(machine: Engine) -> None:
    """By then the script counts as begun; yet nothing in the engine is the stack's, and nothing of it goes or stops."""
    machine.user_has("docker.io", None, "theirs")
    machine.put("volumes", "auto-devops-registry\n")
    docker = (machine.root / "bin/docker").rename(machine.root / "docker")
    path = only(machine, "jq")
    machine.fake("apt-cache", "echo docker-cli - Linux container runtime")
    machine.fake("apt-get", f"case $* in *--simulate*) ;; *docker-cli*) mv {docker} {machine.root}/bin/ ;; esac")
    assert [finding.level for finding in machine.check(PATH=path).values()] == ["warning"]
    done = machine.install(PATH=path)
    assert done.returncode == 1 and "volume auto-devops-registry: one of somebody else's" in done.stderr
    found = machine.check(BEGUN="yes")
    assert [finding.what for finding in found.values() if finding.level == "refused"] == ["volume auto-devops-registry"]

    done = machine.step("remove", BEGUN="yes")
    assert done.returncode == 0, done.stderr
    assert machine.read("volumes") == "auto-devops-registry\n" and machine.read("running") == "theirs\n"
    assert "systemctl restart docker" not in machine.calls and remembered(machine.root / "state") == []


def test_what_was_refused_and_is_given_another_name_is_no_obstacle(machine: Engine) -> None:
    machine.user_has()
    machine.put("state/docker-unseen", "")
    machine.check(BEGUN="yes")
    done = machine.install(BEGUN="yes")
    assert done.returncode == 0, done.stderr
    assert (machine.root / DROPIN).exists() and not (machine.root / "state/docker-unseen").exists()


@pytest.mark.parametrize(("enabled", "comes"), [("Y\n", True), ("N\n", False), (None, False)])
def test_apparmors_parser_comes_where_the_kernel_wants_it(machine: Engine, enabled: str | None, comes: bool) -> None:
    """As on Ubuntu, and on Debian's own images; docker.io of Debian 13 only recommends it."""
    if enabled is not None:
        machine.put("sys/module/apparmor/parameters/enabled", enabled)
    machine.install()
    asked = [call for call in machine.calls if call.startswith("apt-get") and "docker.io" in call]
    assert asked and all((" apparmor" in call) == comes for call in asked)


def test_an_engine_that_does_not_answer_is_told_with_its_words(machine: Engine) -> None:
    machine.user_has()
    machine.fake("docker", 'case "$*" in version) echo "Cannot connect: permission denied" >&2; exit 1 ;; esac')
    script = (SCRIPTS / "install.sh").read_text()
    start = script.index('if ! await 60 "the Docker engine"')
    done = machine.run(machine.put("end.sh", "set -euo pipefail\n" + script[start:].replace("await 60", "await 0")))
    assert done.returncode == 1
    assert "an engine that does not answer: Cannot connect: permission denied" in done.stderr


# Rules of a firewall that are loaded anew


def test_nftables_runs_the_program_after_each_load_until_the_removal(machine: Engine) -> None:
    assert machine.install().returncode == 0
    dropin = machine.root / "etc/systemd/system/nftables.service.d/auto-devops-docker.conf"
    program = f"-{machine.root}/usr/local/sbin/auto-devops-docker-rules"
    assert dropin.read_text().endswith(f"[Service]\nExecStartPost={program}\nExecReload={program}\n")
    assert machine.step("remove").returncode == 0
    assert not dropin.parent.exists()


@pytest.mark.parametrize(
    ("case", "restarts"),
    [
        ("gone", True),
        ("there", False),
        ("in nftables", False),
        ("not wanted", False),
        ("no live-restore", False),
        ("at a boot", False),
    ],
)
def test_rules_that_are_gone_come_back_with_the_engine(machine: Engine, case: str, restarts: bool) -> None:
    """nftables.service flushes the rules of all when it loads the user's."""
    machine.user_has("docker.io", None, "theirs")
    machine.put("live", "false\n" if case == "no live-restore" else "true\n")
    machine.put(f"{OURS}/daemon.json", json.dumps({"iptables": False} if case == "not wanted" else {}))
    machine.fake("iptables", "exit 0" if case == "there" else "exit 1")
    machine.fake("nft", "exit 0" if case == "in nftables" else "exit 1")
    if case == "at a boot":
        (machine.root / "active").unlink()
    done = machine.program(machine.put("program", machine.rooted(PROGRAMS["docker-rules.sh"])))
    assert done.returncode == 0, done.stderr
    assert ("systemctl --no-block restart docker" in machine.calls) == restarts
    assert ("systemctl restart docker" in done.stdout) == (case == "no live-restore")


@pytest.mark.parametrize("asked", ["ps -q", "info --format {{.LiveRestoreEnabled}}"])
def test_an_engine_that_does_not_say_what_runs_is_not_restarted(machine: Engine, asked: str) -> None:
    machine.user_has("docker.io", None, "theirs")
    docker = (machine.root / "bin/docker").read_text()
    machine.fake("docker", docker.replace("case", f'case "$*" in "{asked}"*) exit 1 ;; esac\ncase', 1))
    done = machine.install()
    assert done.returncode == 1 and "does not say what runs in it" in done.stderr
    assert "systemctl restart docker" not in machine.calls and machine.read("running") == "theirs\n"
