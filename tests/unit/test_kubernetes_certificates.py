"""When the kubeconfig is read again, and the timer that renews the control plane's certificates."""

from __future__ import annotations

import datetime
from typing import Any

import pulumi

from components.ca import CA, CaArgs
from components.dns import NameService
from components.host import Host, HostArgs
from components.k8s_node import K8sNode, K8sNodeArgs, k8s_node
from components.site import Site
from tests.unit import recording
from tests.unit.program import TODAY, load_with, unpacked
from tests.unit.recording import Recorder, Secret, contains_secret, plain


def test_kubeconfig_is_a_secret(good_stack: Recorder) -> None:
    certificates = good_stack.one("k8s-node-certificates")
    assert "stdout" in certificates.secret_outputs
    provider = good_stack.one("k8s-node-cluster")
    assert provider.inputs["kubeconfig"] == Secret("printed-by k8s-node-certificates")
    component = good_stack.one("k8s-node", "auto-devops:index:K8sNode")
    assert component.outputs
    assert contains_secret(component.outputs["kubeconfig"])


def test_kubeconfig_is_read_after_whatever_renews_it(good_stack: Recorder) -> None:
    assert "k8s-node-upgrade-k8s" in good_stack.one("k8s-node-certificates").dependencies
    provider = good_stack.one("k8s-node-cluster")
    assert {"k8s-node-ready", "k8s-node-certificates"} <= set(provider.dependencies)


def test_timer_runs_what_pulumi_runs(good_stack: Recorder) -> None:
    files = unpacked(good_stack.one("k8s-node-certificates"))
    assert "place_timer renew-certificates" in files["install.sh"]
    assert "remove_timer renew-certificates" in files["remove.sh"]
    line = "/usr/local/sbin/auto-devops-renew-certificates /etc/kubernetes "
    assert line in files["install.sh"]
    assert line + "/var/lib/auto-devops\n" in files["files/auto-devops-renew-certificates.service"]


def triggers(recorder: Recorder) -> str:
    """What reads the kubeconfig again."""
    return unpacked(recorder.one("k8s-node-certificates"))["triggers"]


def registered(config: dict[str, Any], today: datetime.date) -> Recorder:
    """What the cluster's machine registers without the rest of the program."""
    stack = load_with(config)
    recorder = recording.start()

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def program() -> None:
        ca = CA("ca", CaArgs(stack.domain, stack.ca))
        trusted = ca.trust(Host("k8s", HostArgs(stack.machines["k8s"], stack.repair)))
        site = Site(stack.names, ca, stack.downloads)
        K8sNode(
            "k8s-node",
            K8sNodeArgs(site, trusted, [], stack.kubernetes, NameService(address=stack.machines["dns"].address), today),
        )

    program()
    return recorder


def test_kubeconfig_is_read_again_by_time_and_version_and_configuration(
    good_stack: Recorder, good: dict[str, Any]
) -> None:
    def read(days: int = 0) -> str:
        return triggers(registered(good, TODAY.date() + datetime.timedelta(days)))

    first = read()
    assert first == triggers(good_stack), "twice on a day"
    assert read(days=k8s_node.KUBECONFIG_DAYS) != first
    good["kubernetes"]["kubeadm"] = {"ClusterConfiguration": {"apiServer": {"certSANs": ["other"]}}}
    other = read()
    assert other != first
    good["kubernetes"]["version"] = "1.37.2"
    assert read() != other


def test_another_version_is_the_same_cluster(good_stack: Recorder) -> None:
    """Its kubeconfig is unknown until the upgrade: without this, a preview replaces all that is in the cluster."""
    provider = good_stack.one("k8s-node-cluster")
    assert plain(provider.inputs["clusterIdentifier"]) == "https://192.168.80.96:6443"
    assert provider.property_dependencies.get("clusterIdentifier", []) == []
    assert provider.property_dependencies["kubeconfig"] == ["k8s-node-certificates"]
