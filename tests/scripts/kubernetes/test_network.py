"""The nodes' routes to each other's pods, and a node that leaves."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.scripts.kubernetes.node import SCRIPTS, Node
from tests.scripts.rooted import SYSTEM

NETWORK = {"NODE": "k8s", "POD_CIDR": "10.244.0.0/16", "NODES": "k8s=10.0.0.1=10.244.0.0/24 w1=10.0.0.2=10.244.1.0/24"}


PORTMAP = {"type": "portmap", "capabilities": {"portMappings": True}}


def network(node: Node, cluster: str) -> list[str]:
    """The routes that the pods' network removes: w2 was taken out of the settings, `cluster` is what kubectl says."""
    node.files({"cni.conflist": "@SUBNET@", "auto-devops-pod-network.service": "", "host-ports.sh": ""})
    routes = r"10.244.1.0/24 via 10.0.0.2 dev eth0\n10.244.2.0/24 via 10.0.0.3 dev eth0\n"
    node.fake("ip", f"case $2 in show) printf '{routes}' ;; esac")
    node.fake("iptables", "true")
    node.fake("kubectl", cluster)
    result = node.step("network", **NETWORK)
    assert result.returncode == 0, result.stderr
    result = node.program(node.root / "usr/local/sbin/auto-devops-pod-network")
    assert result.returncode == 0, result.stderr
    return [call.split()[3] for call in node.calls if call.startswith("ip route delete")]


@pytest.mark.parametrize(
    ("cluster", "pruned"),
    [
        ("echo 10.244.0.0/24 10.244.1.0/24 10.244.2.0/24", []),
        ("echo 10.244.0.0/24 10.244.1.0/24", ["10.244.2.0/24"]),
        ("echo refused >&2; exit 1", []),
        ("true", []),
    ],
)
def test_the_way_to_a_node_stays_as_long_as_the_cluster_has_it(node: Node, cluster: str, pruned: list[str]) -> None:
    """One that leaves is drained after the others got their new network, and its pods are in use until then."""
    assert network(node, cluster) == pruned


def test_a_node_that_has_left_takes_its_route_along(node: Node) -> None:
    node.write("etc/kubernetes/admin.conf")
    node.fake("kubectl", "true")
    node.fake("prune", "true")
    # By itself: systemd would take the restarts of two nodes that leave at once for one.
    script = node.write("usr/local/sbin/auto-devops-pod-network", "#!/bin/sh\nprune\n")
    script.chmod(0o755)
    result = node.step("uninvite", NODE="w2")
    assert result.returncode == 0, result.stderr
    calls = node.calls
    gone = calls.index("kubectl delete node w2")
    assert next(i for i, call in enumerate(calls) if call.startswith("kubectl drain w2")) < gone
    assert gone < next(i for i, call in enumerate(calls) if call.startswith("prune"))


def test_a_node_that_cannot_be_drained_is_told(node: Node) -> None:
    node.write("etc/kubernetes/admin.conf")
    node.fake("kubectl", "false")
    result = node.step("uninvite", NODE="w2")
    assert result.returncode == 0, result.stderr
    assert "kubectl delete node w2" in result.stderr
    assert not node.called("kubectl drain")


def test_a_node_is_drained_though_the_api_server_was_away_for_a_moment(node: Node) -> None:
    node.write("etc/kubernetes/admin.conf")
    node.fake(
        "kubectl",
        f'case "$*" in *readyz*) if [ ! -e {node.root}/asked ]; then touch {node.root}/asked; exit 1; fi ;; esac',
    )
    (node.root / "tmp/patient.sh").write_text(node.library + node.moved(SCRIPTS / "uninvite.sh"))
    result = node.run(node.root / "tmp/patient.sh", NODE="w2")
    assert result.returncode == 0, result.stderr
    assert node.called("kubectl delete node w2")


def test_masquerading_comes_back_after_a_firewall_has_loaded_its_rules(node: Node) -> None:
    """nftables.service flushes the rules of all when it loads the user's."""
    dropin = node.root / "etc/systemd/system/nftables.service.d/auto-devops-pods.conf"
    theirs = node.write("etc/systemd/system/nftables.service.d/theirs.conf", "[Unit]\n")
    network(node, "true")
    again = "-/usr/bin/systemctl --no-block try-restart auto-devops-pod-network.service"
    assert dropin.read_text().endswith(f"[Service]\nExecStartPost={again}\nExecReload={again}\n")
    program = node.root / "usr/local/sbin/auto-devops-host-ports"
    assert program.exists()
    assert node.step("unnetwork").returncode == 0
    assert not dropin.exists() and not program.exists() and theirs.exists()
    theirs.unlink()
    assert node.step("unnetwork").returncode == 0
    assert not dropin.parent.exists()


def kept_of_a_pod(node: Node, name: str, ports: list[dict[str, object]], *, runs: bool = True) -> Path:
    """What libcni has kept of a pod of that name; its network namespace, which is there if it `runs`."""
    network = {"cniVersion": "1.0.0", "name": "auto-devops", "plugins": [{"type": "bridge"}, PORTMAP]}
    namespace = node.root / f"run/netns/{name}"
    if runs:
        node.write(f"run/netns/{name}")
    kept = {
        "containerId": name,
        "ifName": "eth0",
        "config": base64.b64encode(json.dumps(network).encode()).decode(),
        "capabilityArgs": {"portMappings": ports} if ports else {},
        "result": {"interfaces": [{"name": "cni0"}, {"name": "eth0", "sandbox": str(namespace)}]},
    }
    node.write(f"var/lib/cni/results/auto-devops-{name}-eth0", json.dumps(kept))
    return namespace


def host_ports(node: Node) -> subprocess.CompletedProcess[str]:
    return node.program(node.write("usr/local/sbin/auto-devops-host-ports", node.moved(SCRIPTS / "host-ports.sh")))


def test_host_ports_have_their_rules_again(node: Node) -> None:
    """Those of pods that run: the plugin is asked as when they began."""
    ports: list[dict[str, object]] = [{"HostPort": 80, "ContainerPort": 8000, "Protocol": "tcp", "HostIP": ""}]
    namespace = kept_of_a_pod(node, "ingress", ports)
    kept_of_a_pod(node, "without", [])
    kept_of_a_pod(node, "gone", ports, runs=False)
    plugin = node.write(
        "opt/cni/bin/portmap", f"#!/bin/sh\nenv | grep ^CNI_ >>{node.root}/asked; cat >>{node.root}/told\n"
    )
    plugin.chmod(0o755)
    result = host_ports(node)
    assert result.returncode == 0, result.stderr
    assert sorted((node.root / "asked").read_text().split()) == [
        "CNI_COMMAND=ADD",
        "CNI_CONTAINERID=ingress",
        "CNI_IFNAME=eth0",
        f"CNI_NETNS={namespace}",
        f"CNI_PATH={node.root}/opt/cni/bin",
    ]
    assert json.loads((node.root / "told").read_text()) == PORTMAP | {
        "cniVersion": "1.0.0",
        "name": "auto-devops",
        "prevResult": {"interfaces": [{"name": "cni0"}, {"name": "eth0", "sandbox": str(namespace)}]},
        "runtimeConfig": {"portMappings": ports},
    }


def test_a_plugin_that_fails_is_heard_of(node: Node) -> None:
    kept_of_a_pod(node, "ingress", [{"HostPort": 80}])
    node.write("opt/cni/bin/portmap", "#!/bin/sh\necho no iptables >&2; exit 1\n").chmod(0o755)
    result = host_ports(node)
    assert result.returncode != 0 and "no iptables" in result.stderr


def test_no_pods_no_host_ports(node: Node) -> None:
    assert host_ports(node).returncode == 0


def test_a_missing_kubectl_is_no_api_server_that_is_silent(node: Node) -> None:
    for name in SYSTEM:
        (node.root / "bin" / name).symlink_to(shutil.which(name) or name)
    node.variables["PATH"] = f"{node.root}/bin"
    result = node.step("invite", NODE="w2")
    assert result.returncode == 1
    assert "no command kubectl" in result.stderr and "does not answer" not in result.stderr
    node.write("etc/kubernetes/admin.conf")
    result = node.step("uninvite", NODE="w2")
    assert result.returncode == 0
    assert "no command kubectl" in result.stderr and "does not answer" not in result.stderr


def test_networkd_leaves_our_routes_alone(node: Node) -> None:
    """It drops what it did not make whenever it restarts, as at an update of systemd."""
    dropin = node.root / "etc/systemd/networkd.conf.d/auto-devops.conf"
    network(node, "true")
    assert "ManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n" in dropin.read_text()
    calls = node.calls
    assert calls.index("systemctl restart systemd-networkd") < calls.index("systemctl restart auto-devops-pod-network")
    network(node, "true")
    assert node.calls.count("systemctl restart systemd-networkd") == 1
    result = node.step("unnetwork")
    assert result.returncode == 0, result.stderr
    assert not dropin.parent.exists()
    assert node.calls.count("systemctl restart systemd-networkd") == 2
    assert node.step("unnetwork").returncode == 0
    assert node.calls.count("systemctl restart systemd-networkd") == 2


def test_without_networkd_there_is_nothing_for_it(node: Node) -> None:
    node.fake("systemctl", 'case "$*" in *is-active*systemd-networkd*) exit 3 ;; esac')
    network(node, "true")
    assert not (node.root / "etc/systemd/networkd.conf.d").exists()
    assert not node.called("systemctl restart systemd-networkd")


SHARED = ":CNI-HOSTPORT-DNAT - [0:0]\n-A OUTPUT -j CNI-HOSTPORT-DNAT\n:KUBE-SERVICES - [0:0]\n"
OF_A_CONTAINER = ":CNI-DN-0123456789abcdef01234 - [0:0]\n"


@pytest.mark.parametrize(
    ("theirs", "rules", "left"),
    [
        ("", SHARED, ""),
        # A container of theirs has left, or never had a port: the chains that all plugins share serve nobody.
        ("etc/cni/net.d/87-podman.conflist", SHARED, ""),
        ("etc/cni/net.d/87-podman.conflist", SHARED + OF_A_CONTAINER, "CNI-"),
    ],
)
def test_plugins_chains_stay_for_containers_of_others(node: Node, theirs: str, rules: str, left: str) -> None:
    node.write("var/lib/auto-devops/kubernetes-begun")
    if theirs:
        node.write(theirs)
    saved = node.write("saved", f"*nat\n{rules}COMMIT\n")
    node.fake("iptables-save", f"cat {saved}")
    node.fake("iptables-restore", f"cat >{node.root}/restored")
    assert node.step("reset").returncode == 0
    removed = (node.root / "restored").read_text()
    assert "-X KUBE-SERVICES\n" in removed
    assert ("CNI-" not in removed) == bool(left)
    assert "iptables-restore --noflush" in node.calls


def test_rules_go_one_by_one(node: Node) -> None:
    """To load the rest anew would lose what somebody's nftables has in tables of these names: no list has it."""
    saved = node.write(
        "saved",
        """# Generated
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:KUBE-FORWARD - [0:0]
-A FORWARD -m comment --comment "kubernetes: it's ours" -j KUBE-FORWARD
-A FORWARD -j DOCKER
-A KUBE-FORWARD -j ACCEPT
COMMIT
*mangle
:FORWARD ACCEPT [0:0]
COMMIT
*nat
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -s 10.0.0.0/8 -m comment --comment KUBE-x -j MASQUERADE
-A POSTROUTING -s 10.9.0.0/16 -j MASQUERADE
COMMIT
""",
    )
    node.fake("iptables-save", f"cat {saved}")
    node.fake("iptables-restore", f"cat >{node.root}/restored")
    script = node.write("tmp/rules.sh", f"{node.library}\nremove_rules -E 'KUBE-'\nremove_rules nobodys\n")
    assert node.program(script).returncode == 0
    assert (
        (node.root / "restored").read_text()
        == """*filter
-D FORWARD -m comment --comment "kubernetes: it's ours" -j KUBE-FORWARD
-D KUBE-FORWARD -j ACCEPT
-F KUBE-FORWARD
-X KUBE-FORWARD
COMMIT
*nat
-D POSTROUTING -s 10.0.0.0/8 -m comment --comment KUBE-x -j MASQUERADE
COMMIT
"""
    )
    assert node.calls.count("iptables-restore --noflush") == 1, "nothing to remove, nothing to load"


def test_rules_of_others_that_only_speak_of_kubernetes_stay(node: Node) -> None:
    node.write("var/lib/auto-devops/kubernetes-begun")
    theirs = (
        '-A INPUT -p tcp --dport 6443 -m comment --comment "allow KUBE-API, no CNI-" -j ACCEPT\n-A INPUT -j MY-KUBE-X\n'
    )
    saved = node.write("saved", f"*filter\n{theirs}-A INPUT -m comment --comment x -j KUBE-FIREWALL\nCOMMIT\n")
    node.fake("iptables-save", f"cat {saved}")
    node.fake("iptables-restore", f"cat >{node.root}/restored")
    assert node.step("reset").returncode == 0
    assert (node.root / "restored").read_text() == "*filter\n-D INPUT -m comment --comment x -j KUBE-FIREWALL\nCOMMIT\n"


def test_network_namespaces_in_which_others_run_stay(node: Node) -> None:
    """podman's have the names of pods'."""
    node.write("var/lib/auto-devops/kubernetes-begun")
    ours, theirs = (node.write(f"run/netns/cni-{name}") for name in ("ours", "theirs"))
    node.fake("findmnt", f"printf '%s\\n' {ours} {theirs}")
    node.fake("umount", f"rm {ours}.mounted")
    node.fake("mountpoint", '[ -e "$2.mounted" ]')
    for each in (ours, theirs):
        each.with_name(f"{each.name}.mounted").touch()
    node.fake("ip", 'case "$*" in "netns pids cni-theirs") echo 7 ;; "link show"*) exit 1 ;; esac')
    result = node.step("reset")
    assert result.returncode == 0, result.stderr
    assert theirs.exists() and not ours.exists()
    assert not [call for call in node.calls if call.startswith("umount") and "theirs" in call]
