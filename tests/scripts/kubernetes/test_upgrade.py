"""A node's way to another version: downloads, order, and what runs in the end."""

from __future__ import annotations

import pytest

from tests.scripts.kubernetes.node import Node


def mirror(node: Node, *, broken: str = "none") -> None:
    """A mirror of programs, each of which says its version; the checksum of `broken` is of another file."""
    node.fake(
        "curl",
        f"""for url; do true; done; out=/dev/stdout
        while [ $# -gt 0 ]; do if [ "$1" = -o ]; then out=$2; fi; shift; done
        name=${{url##*/}}; name=${{name%.sha256}}
        program() {{ printf '#!/bin/sh\\necho "Kubernetes v1.36.3"\\n# %s\\n' "$name"; }}
        case $url in
        */healthz) ;;
        */{broken}.sha256) printf '%064d' 0 >"$out" ;;
        *.sha256) program | sha256sum >"$out" ;;
        *) program >"$out" ;;
        esac""",
    )


def old_node(node: Node) -> Node:
    node.fake("kubeadm", "true")
    node.fake("kubectl", "echo v1.36.3")
    node.fake("hostname", "echo n1")
    node.write("usr/local/bin/kubelet", "#!/bin/sh\necho Kubernetes v1.36.2\n").chmod(0o755)
    return node


UPGRADE = {"ROLE": "control-plane", "NODE": "n1", "IGNORED": ""}


def test_the_kubelet_stops_only_when_the_new_one_is_there(node: Node) -> None:
    mirror(old_node(node))
    result = node.step("upgrade", **UPGRADE)
    assert result.returncode == 0, result.stderr
    calls = node.calls
    downloaded = [index for index, call in enumerate(calls) if call.startswith("curl") and "/release/" in call]
    assert max(downloaded) < calls.index("kubeadm upgrade apply v1.36.3 --yes --ignore-preflight-errors ")
    assert max(downloaded) < calls.index("systemctl stop kubelet") < calls.index("systemctl start kubelet")
    assert "v1.36.3" in (node.root / "usr/local/bin/kubelet").read_text()
    before = len(node.calls)
    assert node.step("upgrade", **UPGRADE).returncode == 0
    assert len(node.calls) == before, "nothing is left to do"


def test_a_wrong_checksum_leaves_the_old_kubelet_running(node: Node) -> None:
    mirror(old_node(node), broken="kubelet")
    result = node.step("upgrade", **UPGRADE)
    assert result.returncode == 1
    assert "SHA-256" in result.stderr
    assert "v1.36.2" in (node.root / "usr/local/bin/kubelet").read_text()
    assert not node.called("systemctl") and not node.called("kubeadm upgrade")


def test_an_upgrade_killed_after_the_kubelet_was_replaced_is_finished(node: Node) -> None:
    mirror(old_node(node))
    node.fake("systemctl", '[ "$1" != start ]')
    assert node.step("upgrade", **UPGRADE).returncode != 0
    node.fake("systemctl", "true")
    result = node.step("upgrade", **UPGRADE)
    assert result.returncode == 0, result.stderr
    assert node.calls.count("systemctl start kubelet") == 2


@pytest.mark.parametrize("old", ["server", "n2"])
def test_a_node_of_another_version_is_told(node: Node, old: str) -> None:
    """The programs on the disk say nothing about those that run."""
    versions = {"server": "v1.36.3", "n1": "v1.36.3", "n2": "v1.36.3"} | {old: "v1.36.2"}
    node.fake(
        "kubectl",
        f"""case "$*" in
        *Ready*) echo True ;;
        *" n1 "*kubeletVersion*) echo {versions["n1"]} ;;
        *" n2 "*kubeletVersion*) echo {versions["n2"]} ;;
        version*) printf '"serverVersion": {{\\n  "gitVersion": "%s",\\n}}\\n' {versions["server"]} ;;
        esac""",
    )
    result = node.step("await-ready", EXPECTED="n1 n2", VERSION="1.36.3")
    assert result.returncode == 1
    assert "v1.36.2" in result.stderr and "v1.36.3" in result.stderr


def test_the_version_that_runs_is_printed(node: Node) -> None:
    node.fake(
        "kubectl",
        """case "$*" in
        *Ready*) echo True ;;
        *kubeletVersion*) echo v1.36.3 ;;
        version*) printf '"serverVersion": {\\n  "gitVersion": "v1.36.3",\\n}\\n' ;;
        esac""",
    )
    result = node.step("await-ready", EXPECTED="n1 n2", VERSION="1.36.3")
    assert (result.returncode, result.stdout) == (0, "1.36.3\n"), result.stderr


def test_a_mirror_that_stalls_does_not_hang(node: Node) -> None:
    node.fake("curl", 'echo "curl: (28) Operation timed out" >&2; exit 28')
    old_node(node)
    result = node.step("upgrade", **UPGRADE)
    assert result.returncode == 1
    asked = [call for call in node.calls if call.startswith("curl")]
    assert len(asked) == 4 and all("--connect-timeout" in call and "--max-time" in call for call in asked)
    assert "https://mirror.example/release/v1.36.3/bin/linux" in result.stderr
    assert "try 4 of 4" in result.stderr


def test_a_slow_download_ends_only_where_it_stalls(node: Node) -> None:
    mirror(old_node(node))
    assert node.step("upgrade", **UPGRADE).returncode == 0
    programs = [call for call in node.calls if call.startswith("curl") and call.endswith(("/kubelet", "/kubeadm"))]
    assert len(programs) == 2
    assert all("--speed-limit" in call and "--speed-time" in call and "--max-time" not in call for call in programs)


def test_what_is_not_there_is_asked_for_once(node: Node) -> None:
    node.fake("curl", 'echo "curl: (22) The requested URL returned error: 404" >&2; exit 22')
    old_node(node)
    result = node.step("upgrade", **UPGRADE)
    assert "kubeadm.sha256 not to be had" in result.stderr
    assert len([call for call in node.calls if call.startswith("curl")]) == 1
