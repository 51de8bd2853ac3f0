"""What did not run when the stack came, and has somebody's work now."""

from __future__ import annotations

from pathlib import Path

from tests.scripts.engine import Engine
from tests.scripts.kubernetes.test_give_back import SCRIPTS as K8S
from tests.scripts.kubernetes.test_give_back import Node


def test_an_engine_that_has_containers_now_is_not_stopped(tmp_path: Path) -> None:
    """docker.service was inactive at `up` (started by its socket, say); its user runs containers since."""
    machine = Engine(tmp_path / "machine")
    machine.user_has("docker.io")
    (machine.root / "active").unlink()
    assert machine.install().returncode == 0
    machine.put("running", "theirs\n")
    machine.put("containers", "theirs\n")
    machine.put("used-by-theirs", "bridge\n")
    machine.packages_go()
    done = machine.step("remove", BEGUN="yes")
    assert done.returncode == 0, done.stderr
    assert (machine.root / "active").exists(), "the engine with somebody's containers is stopped"


def test_a_containerd_that_docker_uses_now_is_not_stopped(tmp_path: Path) -> None:
    """containerd was inactive when the node began; somebody's Docker runs on it since."""
    node = Node(tmp_path / "node")
    active = node.root / "containerd-active"
    body = f"""case "$*" in
    *is-active*containerd) [ -e {active} ] ;;
    *is-active*docker) true ;;
    "restart containerd" | "start containerd") touch {active} ;;
    "stop containerd") rm -f {active} ;;
    *is-active*) false ;;
    esac"""
    node.fake("systemctl", body)
    node.fake(
        "ctr",
        f"[ -e {active} ] || exit 1; case $* in 'namespaces list -q') echo moby ;; "
        "'-n moby containers'*) echo theirs ;; esac",
    )
    node.prepare()
    done = node.step(K8S / "unprepare.sh", BEGUN="yes")
    assert done.returncode == 0, done.stderr
    assert active.exists(), "somebody's containers lose their containerd"
