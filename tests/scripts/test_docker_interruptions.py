"""The engine, where a run before ended early, or somebody has changed something since."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scripts.engine import DROPIN, OURS, Engine, Image, only
from tests.scripts.machine import remembered


@pytest.fixture
def machine(tmp_path: Path) -> Engine:
    return Engine(tmp_path / "machine")


def jq_stays(machine: Engine) -> None:
    """jq came with the stack, and apt cannot remove it: a removal ends there."""
    machine.put("state/packages/docker-options", "jq\n")
    machine.fake("apt-get", 'case "$*" in *--simulate*) ;; *purge*jq*) exit 1 ;; esac')


def nuking(machine: Engine, more: str = "") -> str:
    """apt as Debian's docker.io is: a purge takes all of /var/lib/docker (nuke-graph-directory.sh)."""
    root = machine.root
    return f"""case "$*" in
    *--simulate*install*docker.io*) echo 'Inst docker.io (26 Debian)' ;;
    *--simulate*) ;;
    *purge*docker.io* | *remove*docker.io*)
      nuke={root}/var/lib/docker/nuke-graph-directory.sh
      # prerm puts it there, postrm runs it (docker.io 20.10.24+dfsg1)
      if grep -q docker.io {root}/installed; then
        mkdir -p {root}/var/lib/docker
        touch $nuke
        sed -i /docker.io/d {root}/installed
      fi
      case "$*" in *purge*) if [ -e $nuke ]; then rm -rf {root}/var/lib/docker; fi ;; esac
      ;;
    {more}
    esac"""


def of_the_stack(machine: Engine) -> str:
    """A machine where the stack brought the engine (Debian 13: and docker-cli); the user has a volume there.

    Then somebody's `apt-get remove docker-cli`, which docker.io only recommends.
    """
    machine.user_has()
    machine.put("state/packages/docker", "docker.io\ndocker-cli\niptables\n")
    assert machine.install().returncode == 0
    machine.packages_go()
    machine.put("containers", "registry\nnginx\n")
    machine.put("used-by-registry", "auto-devops\n")
    machine.put("used-by-nginx", "auto-devops\n")
    machine.put("networks", "auto-devops\n")
    machine.put("volumes", "auto-devops-registry\ntheirs\n")
    machine.put("var/lib/docker/volumes/theirs/_data/x", "precious")
    docker = (machine.root / "bin/docker").rename(machine.root / "docker")
    machine.fake("apt-cache", "echo docker-cli - Linux container runtime")
    machine.fake("apt-get", nuking(machine, f"*docker-cli*) mv {docker} {machine.root}/bin/ ;;"))
    machine.step("check", BEGUN="yes")  # as run.sh does; install.sh looks again
    return only(machine, "jq")


def test_unseen_is_not_for_an_engine_that_the_stack_uses(machine: Engine) -> None:
    """Up after docker-cli went: it is brought back, and the stack's own containers are no obstacle."""
    path = of_the_stack(machine)
    done = machine.install(PATH=path, BEGUN="yes")
    assert done.returncode == 0, done.stderr


def test_unseen_does_not_lose_what_is_in_an_engine_of_the_stacks(machine: Engine) -> None:
    """Destroy after that up: the user's volume stays, and the stack's options go."""
    path = of_the_stack(machine)
    machine.install(PATH=path, BEGUN="yes")
    done = machine.step("remove", BEGUN="yes")
    assert done.returncode == 0, done.stderr
    assert (machine.root / "var/lib/docker/volumes/theirs/_data/x").exists(), "the user's volume is gone"


def test_unseen_leaves_nothing_of_the_stack(machine: Engine) -> None:
    """And the same for what the stack has put there: keys, drop-in."""
    path = of_the_stack(machine)
    machine.install(PATH=path, BEGUN="yes")
    machine.step("remove", BEGUN="yes")
    assert not (machine.root / DROPIN).exists() and not (machine.root / OURS).exists()


def test_unseen_is_not_for_an_engine_that_a_killed_run_brought(machine: Engine) -> None:
    """The first run ended between docker.io and docker-cli (Debian 13), the second could not have docker-cli.

    Data that the user had adopted, and that docker.io's purge takes, stays.
    """
    machine.put("installed", "docker.io\njq\niptables\n")
    machine.put("active", "")
    machine.put("state/packages/docker", "docker.io\niptables\n")
    machine.put(
        "state/docker-before",
        "ip_forward=0\nforward_policy=ACCEPT\ngroup=no\nkey=no\ndirectories='/var/lib/docker '\n"
        "enabled=no\nactive=no\n",
    )
    adopted = machine.put("var/lib/docker/volumes/theirs/_data/x", "precious")
    machine.packages_go()
    (machine.root / "bin/docker").unlink()
    machine.fake("apt-cache", "echo docker-cli - Linux container runtime")
    machine.fake("apt-get", nuking(machine, "*docker-cli*) exit 1 ;;"))
    path = only(machine, "jq", "rmdir", "cat", "date", "ls", "comm", "cp", "gzip", "zcat", "basename", "touch", "mkdir")
    root = f"{machine.root}/var/lib/docker"
    machine.fake("groupdel", "true")
    assert machine.install(PATH=path, BEGUN="yes", ADOPT=root).returncode == 1
    done = machine.step("remove", PATH=path, BEGUN="yes", ADOPT=root)
    assert done.returncode == 0, done.stderr
    assert adopted.exists(), "the adopted data is gone"


def test_a_destroy_after_an_up_that_never_touched_the_engine(machine: Engine) -> None:
    """Up ended at its first package (no apt source); somebody's engine was not touched, and its containers go on."""
    machine.user_has("docker-ce", None, "theirs")
    machine.put("installed", "docker-ce\niptables\n")  # no jq yet
    machine.fake("apt-get", "exit 1")
    machine.fake("dpkg", "case $1 in --compare-versions) false ;; esac")
    assert machine.install().returncode == 1
    assert not (machine.root / DROPIN).exists() and machine.read("running") == "theirs\n"
    done = machine.step("remove", BEGUN="yes")
    assert done.returncode == 0, done.stderr
    assert machine.read("running") == "theirs\n", "somebody's containers were stopped"


def test_a_removal_that_goes_on_does_not_stop_somebodys_containers(machine: Engine) -> None:
    """The first destroy ended in the packages; by then the engine runs by its own file again."""
    machine.user_has("docker.io")
    assert machine.install().returncode == 0
    machine.put("running", "theirs\n")
    # As the first removal leaves it, which holds the containers: program and drop-in gone, the engine on its own.
    machine.packages_go()
    jq_stays(machine)
    # That SIGHUP does what it should (see `reloading` in test_docker_engine.py) is not what is looked at here.
    live = machine.root / "usr/local/sbin/auto-devops-docker-live-restore"
    live.write_text(
        f"""#!/bin/bash
case $1 in
reload) echo "$2" >{machine.root}/live ;;
write) echo "{{\\"live-restore\\": $2}}" >{machine.root}/etc/docker/daemon.json ;;
give-back) rm -f {machine.root}/etc/docker/daemon.json ;;
esac
"""
    )
    first = machine.step("remove", BEGUN="yes")
    assert first.returncode == 1
    assert machine.read("running") == "theirs\n", "the first went well"
    machine.fake("apt-get", "true")
    done = machine.step("remove", BEGUN="yes")
    assert done.returncode == 0, done.stderr
    assert machine.read("running") == "theirs\n", "the second destroy stopped somebody's containers"


def interrupted(machine: Engine) -> None:
    """up, and a destroy that ended at jq."""
    machine.packages_go()
    jq_stays(machine)
    assert machine.step("remove", BEGUN="yes").returncode == 1
    machine.fake("apt-get", "true")
    (machine.root / "bin/dpkg").unlink()


def test_up_after_an_interrupted_destroy_is_not_refused(machine: Engine) -> None:
    """Docker-before outlives the records beside it since 89d2707: another log driver counts as an older release's."""
    machine.user_has("docker.io", {"log-driver": "journald"})
    assert machine.check(BOUNDS_LOGS="yes") == {}
    assert machine.install(BOUNDS_LOGS="yes").returncode == 0
    interrupted(machine)
    refused = {
        what: finding.found
        for what, finding in machine.check(BEGUN="yes", BOUNDS_LOGS="yes").items()
        if finding.level == "refused"
    }
    assert refused == {}


def test_up_after_an_interrupted_destroy_knows_what_images_were_there(machine: Engine) -> None:
    """Without records of what was there before, images that the stack pulls then stay for ever."""
    machine.user_has()
    assert machine.install().returncode == 0
    interrupted(machine)
    assert machine.install(BEGUN="yes").returncode == 0
    machine.images(Image("n", ["nginx:1"]))  # pulled by the stack, by a name of the settings
    done = machine.step("remove", BEGUN="yes")
    assert done.returncode == 0, done.stderr
    assert machine.image_names == []


def came_with_us(machine: Engine) -> None:
    machine.user_has()
    machine.put("state/packages/docker", "docker.io\niptables\n")
    assert machine.install().returncode == 0
    machine.put("state/docker-before", "ip_forward=1\nforward_policy=ACCEPT\ngroup=no\nkey=no\ndirectories=''\n")
    machine.fake("apt-get", nuking(machine))
    machine.packages_go()


def test_a_note_of_a_removal_that_was_given_up(machine: Engine) -> None:
    """Destroy ended early, up again; at the next destroy the engine is down and has an image of the user's."""
    came_with_us(machine)
    systemctl = (machine.root / "bin/systemctl").read_text()
    machine.fake(
        "systemctl", systemctl.split("\n", 2)[2].replace("case", 'case $* in "stop docker"*) exit 1 ;; esac\ncase', 1)
    )
    assert machine.step("remove", BEGUN="yes").returncode == 1
    (machine.root / "bin/systemctl").write_text(systemctl)
    assert machine.install(BEGUN="yes").returncode == 0
    image = machine.put("var/lib/docker/image/overlay2/imagedb/content/sha256/a", "{}")
    (machine.root / "active").unlink()
    machine.fake("docker", "exit 1")
    done = machine.step("remove", BEGUN="yes")
    assert done.returncode == 0, done.stderr
    assert image.exists(), "an image of somebody's is gone"


def test_dockers_own_engine_in_place_of_ours(machine: Engine) -> None:
    """Somebody has put docker-ce in the place of our docker.io (it conflicts); the next up uses it."""
    came_with_us(machine)
    machine.put("installed", "docker-ce\njq\niptables\n")
    assert machine.install(BEGUN="yes").returncode == 0
    pulled = machine.put("var/lib/docker/overlay2/l/x", "")
    machine.fake("getent", "echo docker:x:999:")
    done = machine.step("remove", BEGUN="yes")
    assert done.returncode == 0, done.stderr
    assert pulled.exists(), "the data of somebody's docker-ce is gone"
    assert (machine.root / "active").exists(), "somebody's docker-ce was stopped"


def test_dockers_own_engine_keeps_its_group(machine: Engine) -> None:
    came_with_us(machine)
    machine.put("installed", "docker-ce\njq\niptables\n")
    assert machine.install(BEGUN="yes").returncode == 0
    machine.fake("getent", "echo docker:x:999:")
    machine.step("remove", BEGUN="yes")
    assert "groupdel docker" not in machine.calls


def test_a_firewall_that_cannot_be_read_is_not_opened(machine: Engine) -> None:
    """Another has the lock of iptables-legacy: nobody knows whether somebody has rules."""
    came_with_us(machine)
    machine.fake(
        "iptables",
        'case "$*" in "-w -S FORWARD") echo "Another app is currently holding the xtables lock" >&2; exit 4 ;; esac',
    )
    machine.step("remove")
    assert "iptables -w -P FORWARD ACCEPT" not in machine.calls


@pytest.mark.parametrize(
    "said",
    [
        "Error: No such volume: auto-devops-registry",
        "Error response from daemon: get auto-devops-registry: no such volume",
    ],
)
def test_a_volume_that_went_meanwhile(machine: Engine, said: str) -> None:
    """The second is what docker says since 23.0 (the client does not put it in its own words any more; moby
    volume/service/errors.go)."""
    machine.user_has()
    assert machine.install().returncode == 0
    machine.put("volumes", "auto-devops-registry\n")
    docker = (machine.root / "bin/docker").read_text()
    broken = f'case "$*" in "volume rm "*) echo "{said}" >&2; exit 1 ;; esac\ncase'
    machine.fake("docker", docker.replace("case", broken, 1))
    done = machine.step("remove")
    assert done.returncode == 0, done.stderr


def test_sed_that_was_killed_leaves_no_list(machine: Engine) -> None:
    """Sed -i writes beside the list; killed then, its file counts as another owner's list, and the packages stay."""
    came_with_us(machine)
    machine.put("state/docker-going", f"configured=no containerd=no root={machine.root}/var/lib/docker\n")
    machine.put("state/packages/sedAbCdEf", "docker.io configured\niptables\n")
    done = machine.step("remove", BEGUN="yes")
    assert done.returncode == 0, done.stderr
    assert "docker.io" not in machine.read("installed")


@pytest.mark.parametrize("what", ["docker-ce", "volume"])
def test_an_engine_that_was_left_runs_on_when_the_removal_goes_on(machine: Engine, what: str) -> None:
    """Before the stack there was none, which says nothing of the one that its user has now."""
    came_with_us(machine)
    before = machine.root / "state/docker-before"
    before.write_text(before.read_text() + "enabled=no\nactive=no\n")
    if what == "docker-ce":
        machine.put("installed", "docker-ce\njq\niptables\n")
        assert machine.install(BEGUN="yes").returncode == 0
    else:
        machine.put("volumes", "theirs\n")
    jq_stays(machine)
    assert machine.step("remove", BEGUN="yes").returncode == 1
    machine.fake("apt-get", "true")
    done = machine.step("remove", BEGUN="yes")
    assert done.returncode == 0, done.stderr
    assert (machine.root / "active").exists() and "systemctl disable -q docker" not in machine.calls
    assert remembered(machine.root / "state") == []
