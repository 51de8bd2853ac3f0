"""A node's removal, where a run before ended early, or somebody had something there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scripts.kubernetes.test_give_back import SCRIPTS, Node


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path / "node")


def test_a_containerd_that_went_is_not_restarted(node: Node) -> None:
    """/var/lib/containerd had something from a containerd that was removed before (the check does not mind)."""
    node.write("var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db", "theirs")
    gone = node.root / "gone"
    node.fake(
        "dpkg-query",
        f"""case "$*" in
        *Status*containerd.io) ;;
        *Status*containerd) if [ ! -e {gone} ]; then printf installed; fi ;;
        *Status*) printf installed ;;
        esac""",
    )
    node.fake("apt-config", f"echo \"history='{node.root}/history.log'\"")
    node.fake("zcat", "true")
    node.fake(
        "systemctl",
        f"""case "$*" in
    *is-active*containerd | *is-enabled*containerd) [ ! -e {gone} ] ;;
    "restart containerd") if [ -e {gone} ]; then echo 'Unit containerd.service not found.' >&2; exit 5; fi ;;
    *is-active* | *is-enabled*) false ;;
    esac""",
    )
    node.fake("env", 'while [ "$1" != apt-get ]; do shift; done; exec "$@"')
    node.prepare()
    node.write("var/lib/auto-devops/packages/kubernetes", "containerd\n")
    node.fake("apt-get", f'case "$*" in *--simulate*) ;; *purge*containerd*) touch {gone} ;; esac')
    result = node.step(SCRIPTS / "unprepare.sh", BEGUN="yes")
    assert result.returncode == 0, result.stderr


def test_networkd_reads_that_its_file_is_gone(node: Node) -> None:
    """Ended before the restart, systemd-networkd went on with the stack's file."""
    node.write("etc/systemd/networkd.conf.d/auto-devops.conf", "[Network]\nManageForeignRoutes=no\n")
    systemctl = 'case "$*" in *is-active*systemd-networkd*) true ;; *is-active* | *is-enabled*) false ;; esac'
    node.fake("systemctl", f'case "$*" in "restart systemd-networkd") exit 1 ;; esac\n{systemctl}')
    assert node.step(SCRIPTS / "unnetwork.sh", BEGUN="yes").returncode == 1
    node.fake("systemctl", systemctl)
    calls = len(node.calls)
    assert node.step(SCRIPTS / "unnetwork.sh", BEGUN="yes").returncode == 0
    assert "systemctl restart systemd-networkd" in node.calls[calls:]
