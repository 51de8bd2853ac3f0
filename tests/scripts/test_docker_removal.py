"""What goes with the engine that the stack brought, and when it stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.docker_engine.docker_engine import SCRIPTS
from tests.scripts.engine import DROPIN, OURS, Engine
from tests.scripts.machine import remembered


@pytest.fixture
def machine(tmp_path: Path) -> Engine:
    return Engine(tmp_path / "machine")


def came_with_us(machine: Engine) -> None:
    machine.user_has()
    machine.put("state/packages/docker", "docker.io\niptables\n")
    assert machine.install().returncode == 0
    machine.put("state/docker-before", "ip_forward=1\nforward_policy=ACCEPT\ngroup=no\nkey=no\ndirectories=''\n")
    for name in ("volumes/metadata.db", "overlay2/l/x", "swarm/x", "theirs/x"):
        machine.put(f"var/lib/docker/{name}", "")
    machine.put("etc/docker/key.json", "{}")
    purging = (
        f'case "$*" in *purge*docker.io* | *remove*docker.io*) sed -i /docker.io/d {machine.root}/installed ;; esac'
    )
    machine.fake("apt-get", purging)
    machine.fake("apt-mark", "true")
    machine.fake("dpkg", "true")


def test_an_engine_of_ours_goes_with_what_it_made(machine: Engine) -> None:
    came_with_us(machine)
    machine.put("containers", "nginx\n")
    machine.put("used-by-nginx", "auto-devops\n")
    machine.put("networks", "auto-devops\n")
    machine.put("volumes", "auto-devops-registry\nauto-devops-cache-x\n")
    machine.put("images", "registry.devops.example.com/a/b:1|\nnode:22|node@sha256:1\n|\nx/gitlab-runner-helper:1|\n")
    done = machine.step("remove")
    assert done.returncode == 0, done.stderr
    assert "leaving Docker" not in done.stderr
    assert "docker rm --force --volumes nginx" in machine.calls
    # Debian's purge would take all of it.
    calls = [
        call
        for call in machine.calls
        if call.startswith("apt-get") and " docker.io" in call and "--simulate" not in call
    ]
    assert [call.split()[-2] for call in calls] == ["remove", "purge"]
    assert [path.name for path in (machine.root / "var/lib/docker").iterdir()] == ["theirs"]
    assert not (machine.root / "etc/docker").exists() or not list((machine.root / "etc/docker").iterdir())
    assert not (machine.root / "state/packages/docker").exists()


@pytest.mark.parametrize(
    ("kind", "line", "said"),
    [
        ("containers", "web", "containers web"),
        # A name of ours that somebody has taken since.
        ("containers", "nginx", "containers nginx"),
        ("volumes", "data", "volumes data"),
        ("networks", "lan", "networks lan"),
        ("images", "mine:1|", "images mine:1"),
        (
            "images",
            "mine:1 registry.devops.example.com/mine:1|registry.devops.example.com/mine@sha256:1",
            "images mine:1",
        ),
        ("images", "notdevops.example.com/mine:1|", "images notdevops.example.com/mine:1"),
    ],
)
def test_an_engine_with_somebodys_things_stays(machine: Engine, kind: str, line: str, said: str) -> None:
    came_with_us(machine)
    machine.put(kind, f"{line}\n")
    machine.put("used-by-nginx", "bridge\n")
    done = machine.step("remove")
    assert done.returncode == 0, done.stderr
    assert "leaving Docker on" in done.stderr and said in done.stderr and "apt-get purge docker.io" in done.stderr
    assert machine.read(kind) == f"{line}\n"
    assert not [call for call in machine.calls if "docker.io" in call and call.startswith("apt-get")]
    assert (machine.root / "var/lib/docker/volumes/metadata.db").exists() and (machine.root / "active").exists()
    assert not (machine.root / DROPIN).exists() and not (machine.root / OURS).exists()
    # It is the user's from now on.
    assert remembered(machine.root / "state") == []


def test_an_engine_that_does_not_tell_stays(machine: Engine) -> None:
    came_with_us(machine)
    docker = (machine.root / "bin/docker").read_text()
    machine.fake("docker", docker.replace("case", 'case "$*" in "volume ls --quiet") exit 1 ;; esac\ncase', 1))
    done = machine.step("remove")
    assert "does not tell" in done.stderr and (machine.root / "var/lib/docker/volumes/metadata.db").exists()


def test_a_dead_engine_with_volumes_stays(machine: Engine) -> None:
    came_with_us(machine)
    machine.put("var/lib/docker/volumes/data/_data/x", "")
    machine.fake("docker", "exit 1")
    machine.fake("sleep", "true")
    script = machine.root / "remove.sh"
    script.write_text(machine.rooted((SCRIPTS / "remove.sh").read_text()).replace("await 30", "await 0"))
    done = machine.run(script)
    assert done.returncode == 0, done.stderr
    assert "does not answer" in done.stderr and (machine.root / "var/lib/docker/volumes/data/_data/x").exists()


def test_a_dead_engine_with_images_stays(machine: Engine) -> None:
    """Whose they are only the engine could tell."""
    came_with_us(machine)
    image = machine.put("var/lib/docker/image/overlay2/imagedb/content/sha256/a", "{}")
    machine.fake("docker", "exit 1")
    done = machine.step("remove")
    assert done.returncode == 0, done.stderr
    assert "does not answer has images" in done.stderr and image.exists()


OWN_RULES = "-A FORWARD -j ufw-before-forward"


@pytest.mark.parametrize(
    ("before", "rules", "opened"),
    [
        ("ACCEPT", "", True),
        ("ACCEPT", "-A FORWARD -j DOCKER-USER", True),
        ("ACCEPT", OWN_RULES, False),
        ("", "", True),
        ("", OWN_RULES, False),
        ("DROP", "", False),
        (None, "", False),
    ],
)
def test_the_firewalls_policy(machine: Engine, before: str | None, rules: str, opened: bool) -> None:
    """The engine has closed it: it stays so where somebody has rules since, or nobody knows what was before."""
    came_with_us(machine)
    known = machine.root / "state/docker-before"
    if before is None:
        known.unlink()
    else:
        known.write_text(known.read_text().replace("forward_policy=ACCEPT", f"forward_policy={before}"))
    machine.fake("iptables", f"""case "$*" in "-w -S FORWARD") printf '%s\\n' '-P FORWARD DROP' '{rules}' ;; esac""")
    done = machine.step("remove")
    assert done.returncode == 0, done.stderr
    assert ("iptables -w -P FORWARD ACCEPT" in machine.calls) is opened
    assert ("leaving the firewall's policy" in done.stderr) is (rules == OWN_RULES)


def test_a_rule_of_somebodys_that_leads_to_ours_is_told(machine: Engine) -> None:
    came_with_us(machine)
    machine.fake("iptables-save", f"cat {machine.put('rules', RULES)}")
    machine.fake("iptables-restore", "echo 'iptables-restore: line 9 failed' >&2; exit 1")
    done = machine.step("remove")
    assert done.returncode == 1
    assert "line 9 failed" in done.stderr and "remove that rule, then run pulumi destroy again" in done.stderr


def test_adopted_data_stays_without_the_engine(machine: Engine) -> None:
    came_with_us(machine)
    machine.put("containers", "theirs\n")
    machine.put("running", "theirs\n")
    root = f"{machine.root}/var/lib/docker"
    done = machine.step("remove", ADOPT=root)
    assert done.returncode == 0, done.stderr
    assert "docker stop theirs" in machine.calls
    assert machine.read("installed").split() == ["jq", "iptables"]
    assert sorted(path.name for path in Path(root).iterdir()) == ["overlay2", "swarm", "theirs", "volumes"]


def test_an_interrupted_removal_goes_on(machine: Engine) -> None:
    """Between the package and its data: the lists of packages do not say any more whose those are."""
    came_with_us(machine)
    apt = (machine.root / "bin/apt-get").read_text()
    removing = f"sed -i /docker.io/d {machine.root}/installed"
    machine.fake("apt-get", f'case "$*" in *purge*docker.io*) exit 1 ;; *remove*docker.io*) {removing} ;; esac')
    assert machine.step("remove").returncode == 1
    assert (machine.root / "var/lib/docker/volumes").exists() and "docker.io" not in machine.read("installed")
    (machine.root / "bin/apt-get").write_text(apt)
    done = machine.step("remove")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (machine.root / "var/lib/docker").iterdir()] == ["theirs"]
    assert remembered(machine.root / "state") == [] and not (machine.root / OURS).exists()


RULES = """*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:MY-DOCKER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0.5 -j ACCEPT
-A INPUT -i docker0 -j ACCEPT
-A INPUT -j MY-DOCKER
-A MY-DOCKER -j RETURN
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
"""


@pytest.mark.parametrize("theirs", ["", "-A DOCKER-USER -s 10.0.0.0/8 -j DROP\n"])
def test_only_the_engines_rules_go(machine: Engine, theirs: str) -> None:
    came_with_us(machine)
    rules = machine.put("rules", RULES.replace("-A DOCKER-USER -j", f"{theirs}-A DOCKER-USER -j"))
    machine.fake("iptables-save", f"cat {rules}")
    machine.fake("iptables-restore", f"cat >{machine.root}/restored")
    done = machine.step("remove")
    assert done.returncode == 0, done.stderr
    # What iptables makes of it: rules go by their text, chains by their names.
    removed = machine.read("restored").splitlines()
    chains = [line.removeprefix("-X ") for line in removed if line.startswith("-X ")]
    gone = {line.replace("-D ", "-A ", 1) for line in removed} | {f":{chain} - [0:0]" for chain in chains}
    gone |= {line for line in rules.read_text().splitlines() for chain in chains if line.startswith(f"-A {chain} ")}
    left = [
        line for line in rules.read_text().splitlines() if line not in gone and ("DOCKER" in line or "docker0" in line)
    ]
    own = ["-A INPUT -i docker0 -j ACCEPT", "-A INPUT -j MY-DOCKER", "-A MY-DOCKER -j RETURN"]
    expected = [":MY-DOCKER - [0:0]", "-A FORWARD -i docker0.5 -j ACCEPT", *own]
    if theirs:
        chain = [":DOCKER-USER - [0:0]", "-A FORWARD -j DOCKER-USER", theirs.strip(), "-A DOCKER-USER -j RETURN"]
        expected += chain
        assert "leaving the firewall's chain DOCKER-USER" in done.stderr
    assert sorted(left) == sorted(expected)


@pytest.mark.parametrize(("kind", "name"), [("network", "auto-devops"), ("volume", "auto-devops-registry")])
@pytest.mark.parametrize(
    ("said", "status"), [("has active endpoints", 0), ("volume is in use - [a1]", 0), ("no space left on device", 1)]
)
def test_what_the_engine_does_not_remove(machine: Engine, kind: str, name: str, said: str, status: int) -> None:
    """What a container of somebody's has stays with it; anything else fails the removal."""
    machine.user_has()
    assert machine.install().returncode == 0
    machine.put(f"{kind}s", f"{name}\n")
    docker = (machine.root / "bin/docker").read_text()
    broken = f'case "$*" in "{kind} rm {name}") echo "Error response from daemon: {said}" >&2; exit 1 ;; esac\ncase'
    machine.fake("docker", docker.replace("case", broken, 1))
    done = machine.step("remove")
    assert done.returncode == status and said in done.stderr and name in done.stderr
    assert (machine.root / "state/docker-before").exists() is (status == 1)


@pytest.mark.parametrize("what", ["tree", "stop"])
def test_an_engine_that_does_not_go_fails_the_removal(machine: Engine, what: str) -> None:
    came_with_us(machine)
    if what == "tree":
        machine.fake("find", 'case "$*" in *overlay2*) echo busy >&2; exit 1 ;; *) exec /usr/bin/find "$@" ;; esac')
    else:
        systemctl = (machine.root / "bin/systemctl").read_text()
        machine.fake(
            "systemctl", systemctl.replace("case", 'case $* in "stop docker"*) echo busy; exit 1 ;; esac\ncase', 1)
        )
    done = machine.step("remove")
    assert done.returncode == 1 and "busy" in done.stderr
    assert (machine.root / "state/docker-going").exists(), "it goes on with the next destroy"


def test_a_containerd_that_does_not_tell_keeps_its_data(machine: Engine) -> None:
    came_with_us(machine)
    machine.fake("ctr", "exit 1")
    done = machine.step("remove")
    assert done.returncode == 0 and "does not tell" in done.stderr
    assert (machine.root / "var/lib/docker/overlay2").exists()


def test_a_removal_that_goes_on_knows_what_was_before(machine: Engine) -> None:
    """jq could not go at the end; by then the firewall and the engine's key are as they were."""
    came_with_us(machine)
    machine.put("state/packages/docker-options", "jq\n")
    machine.put("state/docker-before", "ip_forward=1\nforward_policy=DROP\ngroup=yes\nkey=yes\ndirectories=''\n")
    apt = (machine.root / "bin/apt-get").read_text()
    machine.fake("apt-get", apt.split("\n", 2)[2].replace("case", 'case "$*" in *purge*jq*) exit 1 ;; esac\ncase', 1))
    assert machine.step("remove").returncode == 1
    assert (machine.root / "state/docker-going").exists()
    (machine.root / "bin/apt-get").write_text(apt)
    done = machine.step("remove")
    assert done.returncode == 0, done.stderr
    assert "iptables -w -P FORWARD ACCEPT" not in machine.calls
    assert (machine.root / "etc/docker/key.json").exists() and remembered(machine.root / "state") == []


@pytest.mark.parametrize("running", [True, False])
def test_what_came_between_two_removals_is_somebodys(machine: Engine, running: bool) -> None:
    """The first ended early, and its engine was used since."""
    came_with_us(machine)
    systemctl = (machine.root / "bin/systemctl").read_text()
    machine.fake("systemctl", systemctl.replace("case", 'case $* in "stop docker"*) exit 1 ;; esac\ncase', 1))
    assert machine.step("remove").returncode == 1
    (machine.root / "bin/systemctl").write_text(systemctl)
    machine.put("volumes", "data\n")
    theirs = machine.put("var/lib/docker/volumes/data/_data/x", "")
    if not running:
        (machine.root / "active").unlink()
    done = machine.step("remove")
    assert done.returncode == 0, done.stderr
    assert "leaving Docker" in done.stderr and theirs.exists()
    assert "docker.io" in machine.read("installed") and remembered(machine.root / "state") == []
