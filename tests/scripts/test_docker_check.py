"""Whose Docker is on a machine: what is used, and what is refused by name before anything is changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.scripts.engine import DROPIN, Engine, only
from tests.scripts.machine import remembered


@pytest.fixture
def machine(tmp_path: Path) -> Engine:
    return Engine(tmp_path / "machine")


def test_a_bare_machine_is_fine(machine: Engine) -> None:
    (machine.root / "bin/dockerd").unlink()
    assert machine.step("check", PATH=f"{machine.root}/bin:/usr/bin:/bin").stdout.count("refused") == 0


def test_somebodys_engine_is_used(machine: Engine) -> None:
    for package in ("docker.io", "docker-ce"):
        machine.user_has(package, {"log-driver": "journald", "hosts": ["fd://"]}, "theirs")
        machine.put("ports", "")
        assert machine.check() == {}


def engine_of(machine: Engine, **options: Any) -> bool:
    """Somebody's engine with these options; true, so that more may follow in one expression."""
    machine.user_has("docker.io", options)
    return True


def silent(machine: Engine, asked: str) -> bool:
    """Somebody's engine that does not answer this."""
    machine.user_has()
    docker = (machine.root / "bin/docker").read_text()
    machine.fake("docker", docker.replace("case", f'case "$*" in "{asked}"*) exit 1 ;; esac\ncase', 1))
    return True


REFUSED: dict[str, tuple[Any, str, str]] = {
    "podman-docker": (lambda m: m.put("installed", "podman-docker\ndocker.io\n"), "docker command", "podman-docker"),
    "snap": (lambda m: m.put("snap/bin/docker", ""), "snap docker", "snap"),
    "snap's data": (lambda m: m.put("var/snap/docker/x", ""), "snap docker", "snap"),
    "unknown": (lambda m: m.put("installed", ""), "Docker engine", "of no package"),
    "rootless": (lambda m: (m.put("installed", ""), m.fake("ps", "echo alice")), "Docker engine", "alice"),
    "containerd.io": (lambda m: m.put("installed", "containerd.io\n"), "containerd", "docker-ce"),
    "another package": (
        lambda m: (m.put("installed", ""), m.fake("apt-get", "echo 'Remv moby-engine [1]'")),
        "packages",
        "moby-engine",
    ),
    "data": (
        lambda m: (m.put("installed", ""), m.put("var/lib/docker/volumes/x/y", "")),
        "/var/lib/docker",
        "adopt[0]",
    ),
    "containerd's data": (
        lambda m: (m.put("installed", ""), m.put("var/lib/containerd/x", "")),
        "/var/lib/containerd",
        "adopt[0]",
    ),
    "old": (
        lambda m: (engine_of(m), m.fake("dockerd", "echo Docker version 20.10.9, build x")),
        "Docker engine",
        "20.10.10",
    ),
    "masked": (lambda m: (engine_of(m), m.put("enabled", "masked\n")), "docker.service", "unmask"),
    "command line": (
        lambda m: (engine_of(m), m.put(f"{DROPIN[:-16]}o.conf", "[Service]\nExecStart=\nExecStart=x\n")),
        "docker.service",
        "o.conf",
    ),
    "flags": (
        lambda m: (
            engine_of(m),
            m.put("etc/default/docker", 'DOCKER_OPTS="--dns 1.1.1.1 --log-driver=syslog -H tcp://x"\n'),
        ),
        "/etc/default/docker",
        "--log-driver -H",
    ),
    "no JSON": (lambda m: (engine_of(m), m.put("etc/docker/daemon.json", "{,}")), "/etc/docker/daemon.json", "no JSON"),
    "no object": (lambda m: (engine_of(m), m.put("etc/docker/daemon.json", "[1]")), "/etc/docker/daemon.json", "JSON"),
    "hosts": (
        lambda m: engine_of(m, hosts=["unix:///var/run/docker.sock", "tcp://0.0.0.0:2375"]),
        "/etc/docker/daemon.json",
        "tcp://0.0.0.0:2375 ",
    ),
    "tls": (lambda m: engine_of(m, tlsverify=True, tlscert="/x"), "/etc/docker/daemon.json", "tlsverify tlscert"),
    "userns-remap": (lambda m: engine_of(m, **{"userns-remap": "x"}), "/etc/docker/daemon.json", "/srv/gitlab-runner"),
    "swarm": (lambda m: (engine_of(m), m.put("swarm", "active\n")), "swarm", "swarm leave"),
    "container": (lambda m: (engine_of(m), m.put("containers", "web\nnginx\n")), "container nginx", "docker rename"),
    "network": (lambda m: (engine_of(m), m.put("networks", "auto-devops\n")), "network auto-devops", "another"),
    "volume": (
        lambda m: (engine_of(m), m.put("volumes", "auto-devops-cache-x\n")),
        "volume auto-devops-cache-x",
        "free",
    ),
    "switched off": (
        lambda m: (engine_of(m), (m.root / "active").unlink(), m.put("var/lib/docker/volumes/x/_data/y", "")),
        "Docker engine",
        "does not answer (docker info)",
    ),
    **{
        f"silent, {asked}": (
            lambda m, asked=asked: silent(m, asked),
            "Docker engine",
            f"does not answer (docker {asked.partition(' --')[0]})",
        )
        for asked in ("ps --all --format", "ps --format", "network ls", "volume ls")
    },
    "port": (lambda m: m.put("ports", ':80 users:(("apache2",pid=7,fd=4))\n'), "port 80", "apache2"),
    "port 2376": (lambda m: m.put("ports", ':2376 users:(("x",pid=7,fd=4))\n'), "port 2376", "by x"),
    "published port": (
        lambda m: (engine_of(m), m.put("ports", ':80 users:(("docker-proxy",\n'), m.put("published", "80 web\n")),
        "port 80",
        "container web",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_by_name(machine: Engine, case: str) -> None:
    provoke, what, said = REFUSED[case]
    provoke(machine)
    what = what.replace("/etc/", f"{machine.root}/etc/").replace("/var/", f"{machine.root}/var/")
    before = sorted(machine.root.rglob("*"))
    checked = machine.check()
    found = checked.get(what) or checked[what.removeprefix(str(machine.root))]
    assert found.level == "refused"
    assert said in f"{found.found} {found.wanted} {found.fix} "
    assert [
        path for path in machine.root.rglob("*") if path not in before and path.name not in ("calls", "check.sh")
    ] == []


def test_an_engine_that_is_switched_off_and_empty_is_used(machine: Engine) -> None:
    engine_of(machine)
    (machine.root / "active").unlink()
    assert machine.check() == {}


@pytest.mark.parametrize(
    ("holder", "socket", "refused"), [("sshd", "no", 0), ("systemd", "yes", 0), ("systemd", "no", 1)]
)
def test_sshd_makes_way(machine: Engine, holder: str, socket: str, refused: int) -> None:
    engine_of(machine)
    machine.put("ports", f':22 users:(("{holder}",pid=1,fd=3))\n')
    systemctl = (machine.root / "bin/systemctl").read_text()
    machine.fake("systemctl", f'case "$*" in *ssh.socket) [ {socket} = yes ]; exit ;; esac\n{systemctl}')
    assert len(machine.check(PORTS="22")) == refused


def test_what_the_stack_began_is_its_own(machine: Engine) -> None:
    engine_of(machine)
    for name, content in {
        "containers": "nginx\n",
        "networks": "auto-devops\n",
        "volumes": "auto-devops-registry\n",
    }.items():
        machine.put(name, content)
    machine.put("ports", ':80 users:(("docker-proxy",pid=7,fd=4))\n')
    assert len(machine.check()) == 4
    machine.put(DROPIN, "")
    assert machine.check() == {}


def test_adopted_data_is_let_pass(machine: Engine) -> None:
    machine.put("var/lib/docker/volumes/x/y", "")
    (machine.root / "bin/dockerd").unlink()
    path = f"{machine.root}/bin:/usr/bin:/bin"
    assert f"{machine.root}/var/lib/docker" in machine.check(PATH=path)
    assert machine.check(PATH=path, ADOPT=f"/srv:{machine.root}/var/lib/docker") == {}


def test_data_is_looked_for_where_daemon_json_says(machine: Engine) -> None:
    (machine.root / "bin/dockerd").unlink()
    machine.put("data/volumes/x", "")
    machine.put("etc/docker/daemon.json", json.dumps({"data-root": f"{machine.root}/data"}))
    assert f"{machine.root}/data" in machine.check(PATH=f"{machine.root}/bin:/usr/bin:/bin")


def test_daemon_json_is_read_without_jq(machine: Engine) -> None:
    """Before the first run there may be none; Python is on every Debian that has cloud-init or apt's usual company."""
    path = only(machine, "python3")
    engine_of(machine, hosts=["tcp://0.0.0.0:2375"])
    found = machine.check(PATH=path)
    assert [finding.found for finding in found.values()] == ["hosts with tcp://0.0.0.0:2375"]
    (machine.root / "bin/python3").unlink()
    assert "apt-get install jq" in next(iter(machine.check(PATH=path).values())).fix


def test_a_log_driver_that_gitlab_cannot_use(machine: Engine) -> None:
    """Its container names its own, but where an earlier release began: to name it there would replace the container."""
    engine_of(machine, **{"log-driver": "journald"})
    assert machine.check(BOUNDS_LOGS="yes") == {}
    machine.put(DROPIN, "")
    assert "max-size" in next(iter(machine.check(BOUNDS_LOGS="yes").values())).wanted
    assert machine.check(BOUNDS_LOGS="no") == {}
    (machine.root / DROPIN).unlink()
    machine.user_has(daemon={"log-driver": "journald"})
    assert machine.install(BOUNDS_LOGS="yes").returncode == 0
    assert machine.check(BOUNDS_LOGS="yes", BEGUN="yes") == {}
    assert machine.step("remove").returncode == 0
    assert remembered(machine.root / "state") == []


def test_a_restart_is_announced_where_it_cannot_be_avoided(machine: Engine) -> None:
    machine.user_has("docker.io", {"live-restore": False}, "theirs")
    found = machine.check()
    assert found["containers"].level == "warning" and "theirs" in found["containers"].found


def test_options_that_nothing_can_read_yet_are_no_obstacle(machine: Engine) -> None:
    """A minimal machine has neither jq nor Python; the installation brings jq and looks again."""
    machine.user_has(daemon={"log-driver": "journald"})
    path = only(machine, "ss", "du", "cat", "seq", "getent", "ip", "awk", "ps")
    (machine.root / "bin/jq").unlink(missing_ok=True)
    found = machine.check(PATH=path)
    (unread,) = [finding for what, finding in found.items() if what.endswith("daemon.json")]
    assert unread.level == "warning" and "jq" in unread.wanted
    assert not [finding for finding in found.values() if finding.level == "refused"]
