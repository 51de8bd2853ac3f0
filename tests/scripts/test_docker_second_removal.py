"""Removals of the engine that are not the first, or follow an installation that failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scripts.engine import DROPIN, Engine, only
from tests.scripts.test_docker_interruptions import came_with_us, nuking


@pytest.fixture
def machine(tmp_path: Path) -> Engine:
    return Engine(tmp_path / "machine")


def real_systemctl(machine: Engine) -> None:
    """As systemd: a unit that does not exist can be neither disabled (1) nor stopped (5)."""
    body = (machine.root / "bin/systemctl").read_text().split("\n", 2)[2]
    first = f"""there() {{ grep -q ^docker {machine.root}/installed; }}
case "$*" in
"disable -q docker") there || {{ echo 'Unit file docker.service does not exist.' >&2; exit 1; }} ;;
"stop docker") there || {{ echo 'Unit docker.service not loaded.' >&2; exit 5; }} ;;
esac
"""
    machine.fake("systemctl", first + body)


def test_docker_ce_in_place_of_ours_keeps_its_data(machine: Engine) -> None:
    """docker-ce conflicts with docker.io: apt has removed that, so it is `rc`, and its prerm left the nuke script."""
    came_with_us(machine)
    machine.put("installed", "docker-ce\njq\niptables\n")
    query = (machine.root / "bin/dpkg-query").read_text().split("\n", 2)[2]
    machine.fake("dpkg-query", 'if [ "$4" = docker.io ]; then printf config-files; exit; fi\n' + query)
    machine.put("var/lib/docker/nuke-graph-directory.sh", "")
    theirs = machine.put("var/lib/docker/volumes/theirs/_data/x", "precious")
    assert machine.install(BEGUN="yes").returncode == 0
    done = machine.step("remove", BEGUN="yes")
    assert done.returncode == 0, done.stderr
    assert theirs.exists(), "all of docker-ce's data is gone: " + str([c for c in machine.calls if "purge" in c])


def interrupted_after_the_packages(machine: Engine) -> None:
    came_with_us(machine)
    machine.put(
        "state/docker-before",
        "ip_forward=1\nforward_policy=ACCEPT\ngroup=no\nkey=no\ndirectories=''\nenabled=no\nactive=no\n",
    )
    real_systemctl(machine)
    machine.put("var/lib/docker/overlay2/l/x", "")
    # The purge that follows the removal fails (or the run is killed there).
    machine.fake(
        "apt-get",
        nuking(machine).replace('case "$*" in *purge*)', 'case "$*" in *purge*docker.io*) exit 1 ;; *purge*)'),
    )
    assert machine.step("remove", BEGUN="yes").returncode == 1
    assert (machine.root / "state/docker-going").exists() and "docker.io" not in machine.read("installed")
    (machine.root / "bin/dockerd").rename(machine.root / "dockerd")
    (machine.root / "bin/docker").rename(machine.root / "docker")
    # This computer's own docker is no part of it.
    machine.variables["PATH"] = only(
        machine, "jq", "rmdir", "cat", "date", "ls", "comm", "cp", "gzip", "zcat", "basename", "touch", "mkdir"
    )


def test_destroy_after_an_up_that_gave_a_removal_up_and_failed(machine: Engine) -> None:
    """Destroy ended after the packages went; up ended at its first package; destroy."""
    interrupted_after_the_packages(machine)
    machine.fake("apt-get", "exit 1")  # no source answers
    assert machine.install(BEGUN="yes").returncode == 1
    machine.fake("apt-get", nuking(machine))
    done = machine.step("remove", BEGUN="yes")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("before", "kept"), [("no", "docker.io"), ("yes", "docker.io configured")])
def test_docker_io_comes_back_after_a_removal_that_ended_before_the_purge(
    machine: Engine, before: str, kept: str
) -> None:
    """It came without configuration, the removal left one, up: the next destroy left it `rc`."""
    machine.user_has()
    machine.put("state/packages/docker", "docker.io configured\niptables auto\n")
    machine.put("state/docker-going", f"configured={before} containerd=no root=/var/lib/docker\n")
    done = machine.install(BEGUN="yes")
    assert done.returncode == 0, done.stderr
    assert machine.read("state/packages/docker") == f"{kept}\niptables auto\n"


def test_that_destroy_takes_the_data(machine: Engine) -> None:
    """The same, were the unit no matter: what the first destroy would have taken stays."""
    interrupted_after_the_packages(machine)
    machine.fake("apt-get", "exit 1")
    assert machine.install(BEGUN="yes").returncode == 1
    machine.fake("apt-get", nuking(machine))
    machine.put(
        "state/docker-before", machine.read("state/docker-before").replace("=no\nactive=no", "=yes\nactive=yes")
    )
    done = machine.step("remove", BEGUN="yes")
    assert done.returncode == 0, done.stderr
    assert not (machine.root / "var/lib/docker").exists()


def test_destroy_without_an_up_in_between_is_fine(machine: Engine) -> None:
    """CONTROL, passes: without the failed up the second destroy ends well."""
    interrupted_after_the_packages(machine)
    machine.fake("apt-get", nuking(machine))
    done = machine.step("remove", BEGUN="yes")
    assert done.returncode == 0, done.stderr
    assert not (machine.root / "var/lib/docker").exists()


def test_first_up_that_failed_before_the_engine_came(machine: Engine) -> None:
    """No engine, apt without a source: up ends at docker.io. Destroy. (As old as 96f174e.)"""
    machine.put("installed", "jq\niptables\n")
    machine.put("enabled", "disabled")
    real_systemctl(machine)
    body = (machine.root / "bin/systemctl").read_text().split("\n", 2)[2]
    machine.fake("systemctl", 'case "$*" in *"is-enabled docker") exit 1 ;; esac\n' + body)
    (machine.root / "bin/dockerd").unlink()
    (machine.root / "bin/docker").unlink()
    machine.fake("apt-get", "exit 1")
    machine.fake("dpkg", "case $1 in --compare-versions) false ;; esac")
    assert machine.install().returncode == 1
    done = machine.step("remove", BEGUN="yes")
    assert done.returncode == 0, done.stderr


def test_log_driver_after_a_removal_that_ended_in_forget_options(machine: Engine) -> None:
    """Killed between its first `rm` and the last; up; up."""
    machine.user_has("docker.io", {"log-driver": "journald"})
    assert machine.install(BOUNDS_LOGS="yes").returncode == 0
    for path in (DROPIN, "state/docker-log-driver", "state/started/docker"):
        (machine.root / path).unlink()
    assert machine.install(BOUNDS_LOGS="yes", BEGUN="yes").returncode == 0
    refused = [f for f in machine.check(BEGUN="yes", BOUNDS_LOGS="yes").values() if f.level == "refused"]
    assert refused == []


@pytest.mark.parametrize(
    "said",
    [
        "failed to connect to the docker API: dial unix /var/run/docker.sock: connect: no such file or directory",
        "Error response from daemon: remove auto-devops-registry: unlinkat _data/x: no such device or address",
    ],
)
def test_a_volume_that_could_not_be_removed_is_told(machine: Engine, said: str) -> None:
    machine.user_has()
    assert machine.install().returncode == 0
    machine.put("volumes", "auto-devops-registry\n")
    docker = (machine.root / "bin/docker").read_text()
    machine.fake(
        "docker", docker.replace("case", f'case "$*" in "volume rm "*) echo "{said}" >&2; exit 1 ;; esac\ncase', 1)
    )
    assert machine.step("remove").returncode == 1
