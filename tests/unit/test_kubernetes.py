"""The cluster: kubeadm's configuration, the nodes' order, and what may be overridden."""

from __future__ import annotations

import copy
import tomllib
from typing import Any

import pytest
import yaml
from syrupy.assertion import SnapshotAssertion

from components.k8s_node import kubeadm
from components.templates import render
from settings.kubernetes import KubernetesSettings
from tests.unit.program import Run, unpacked, without
from tests.unit.recording import Recorder, contains_secret, plain

COMMAND = "command:remote:Command"


def control_plane(overrides: dict[str, Any] | None = None) -> str:
    settings = KubernetesSettings.model_validate({"version": "1.36.3", "kubeadm": overrides or {}})
    return kubeadm.control_plane("k8s", "192.168.80.96", ["k8s.devops.example.com"], settings)


def parts(text: str) -> dict[str, Any]:
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


def test_control_plane(snapshot: SnapshotAssertion) -> None:
    assert control_plane() == snapshot


def test_worker(snapshot: SnapshotAssertion) -> None:
    text = kubeadm.worker(
        name="w1", address="10.0.0.2", endpoint="10.0.0.1:6443", token="a.b", ca_hash="sha256:c", overrides={}
    )
    assert text == snapshot


def test_workloads_run_on_the_control_plane_unless_overridden() -> None:
    assert parts(control_plane())["InitConfiguration"]["nodeRegistration"]["taints"] == []
    taints = [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]
    overridden = control_plane(overrides={"InitConfiguration": {"nodeRegistration": {"taints": taints}}})
    assert parts(overridden)["InitConfiguration"]["nodeRegistration"]["taints"] == taints


def test_every_value_is_open_to_override() -> None:
    """Key by key: what an override does not name stays."""
    documents = parts(
        control_plane(
            overrides={
                "InitConfiguration": {"nodeRegistration": {"ignorePreflightErrors": ["Swap"]}},
                "ClusterConfiguration": {"networking": {"dnsDomain": "c.local"}},
                "KubeletConfiguration": {"cgroupDriver": "cgroupfs"},
            }
        )
    )
    assert documents["InitConfiguration"]["nodeRegistration"]["ignorePreflightErrors"] == ["Swap"]
    assert documents["InitConfiguration"]["nodeRegistration"]["name"] == "k8s"
    assert documents["ClusterConfiguration"]["networking"]["podSubnet"] == "10.244.0.0/16"
    assert documents["ClusterConfiguration"]["networking"]["dnsDomain"] == "c.local"
    assert documents["KubeletConfiguration"]["cgroupDriver"] == "cgroupfs"


def arguments(**overrides: Any) -> dict[str, str]:
    given = parts(control_plane(overrides=overrides))["ClusterConfiguration"]["apiServer"].get("extraArgs", [])
    return {argument["name"]: argument["value"] for argument in given}


def test_api_server_checks_the_kubelets_unless_they_sign_for_themselves() -> None:
    ours = {"kubelet-certificate-authority": "/etc/kubernetes/pki/ca.crt"}
    assert arguments() == ours
    more = [{"name": "audit-log-path", "value": "-"}]
    assert arguments(ClusterConfiguration={"apiServer": {"extraArgs": more}}) == ours | {"audit-log-path": "-"}
    other = [{"name": "kubelet-certificate-authority", "value": "/other.crt"}]
    assert arguments(ClusterConfiguration={"apiServer": {"extraArgs": other}}) == {
        "kubelet-certificate-authority": "/other.crt"
    }
    assert arguments(ClusterConfiguration={"apiServer": {"extraArgs": []}}) == {}
    assert arguments(KubeletConfiguration={"serverTLSBootstrap": False}) == {}


def test_arguments_of_the_kubelet_are_laid_over_by_name() -> None:
    """The node's own address stays, and a name may be there twice."""
    more = [{"name": "v", "value": "2"}, {"name": "v", "value": "3"}]
    overrides = {"InitConfiguration": {"nodeRegistration": {"kubeletExtraArgs": more}}}
    registration = parts(control_plane(overrides=overrides))["InitConfiguration"]["nodeRegistration"]
    assert registration["kubeletExtraArgs"] == [{"name": "node-ip", "value": "192.168.80.96"}, *more]


def test_containerd(snapshot: SnapshotAssertion) -> None:
    text = render("k8s_node/templates/containerd.toml.j2", cri={"a": True, "b": "c"})
    assert text == snapshot


def test_containerd_of_every_release_reads_it() -> None:
    """1.6 and 1.7, of Debian and Ubuntu 22.04, know version 2 alone; 2.x, of Ubuntu 24.04 and Docker, takes it as well.

    What 2.x moves elsewhere by itself are these keys, and all others of the runtime's (v2.2.1, plugins/cri/*/plugin.go,
    migrateConfig; `containerd config migrate` has shown it for each of ours). A section by a name of its own would be
    unknown to 1.x, and one of both would leave it open which counts.
    """
    config = tomllib.loads(render("k8s_node/templates/containerd.toml.j2", cri={"restrict_oom_score_adj": True}))
    assert config["version"] == 2
    assert list(config["plugins"]) == ["io.containerd.grpc.v1.cri"]
    cri = config["plugins"]["io.containerd.grpc.v1.cri"]
    assert set(cri) == {"sandbox_image", "restrict_oom_score_adj", "containerd", "cni", "registry"}
    # Before 2.4 `bin_dir` is a text; 2.x makes `bin_dirs` of it.
    assert cri["cni"] == {"bin_dir": "/opt/cni/bin", "conf_dir": "/etc/cni/auto-devops"}
    # `mirrors`, `configs` and `auths` beside it are gone in 2.4.
    assert cri["registry"] == {"config_path": "/etc/containerd/certs.d"}


def with_workers(good: dict[str, Any]) -> dict[str, Any]:
    good = without(good, "gitlab")
    good["hosts"] |= {
        "w1": {"address": "192.168.80.97", "hostKey": (good["hostKey"])},
        "w2": {"address": "192.168.80.98", "hostKey": (good["hostKey"])},
    }
    good["kubernetes"]["workers"] = ["w1", "w2"]
    del good["hostKey"]
    return good


def test_workers_are_prepared_and_join_in_parallel(run_program: Run, good: dict[str, Any], host_key: str) -> None:
    recorder = run_program(with_workers(good | {"hostKey": host_key}))
    for worker, other in (("w1", "w2"), ("w2", "w1")):
        join = recorder.one(f"k8s-node-join-{worker}")
        assert not [d for d in join.dependencies if other in d], "one worker waits for the other"
        assert "k8s-node-control-plane" not in recorder.one(f"k8s-node-prepare-{worker}").dependencies
        assert contains_secret(join.inputs["stdin"]), "the token is a secret"


def test_a_worker_is_drained_before_it_is_reset(run_program: Run, good: dict[str, Any], host_key: str) -> None:
    """What depends on another is removed first."""
    recorder = run_program(with_workers(good | {"hostKey": host_key}))
    member = recorder.one("k8s-node-member-w1", COMMAND)
    assert "k8s-node-join-w1" in member.dependencies
    assert "kubectl drain" in unpacked(member)["remove.sh"]
    assert "kubeadm reset" in unpacked(recorder.one("k8s-node-join-w1", COMMAND))["remove.sh"]


def test_every_node_gets_its_network(run_program: Run, good: dict[str, Any], host_key: str) -> None:
    recorder = run_program(with_workers(good | {"hostKey": host_key}))
    for node in ("k8s", "w1", "w2"):
        assert "k8s-node-nodes" in recorder.one(f"k8s-node-network-{node}").dependencies


def test_mirrors_reach_the_nodes(other_stack: Recorder) -> None:
    line = plain(other_stack.one("k8s-node-prepare-k8s").inputs["create"])
    assert "registry.k8s.io=mirror.corp:5000" in line.partition("REGISTRIES=")[2]
    assert "KUBERNETES_URL=https://mirror.corp/k8s" in line


def test_upgrades_go_control_plane_first_and_one_worker_at_a_time(
    run_program: Run, good: dict[str, Any], host_key: str
) -> None:
    recorder = run_program(with_workers(good | {"hostKey": host_key}))
    assert "k8s-node-configure-k8s" in recorder.one("k8s-node-upgrade-k8s").dependencies
    assert "k8s-node-upgrade-k8s" in recorder.one("k8s-node-configure-w1").dependencies
    assert "k8s-node-upgrade-w1" in recorder.one("k8s-node-upgrade-w2").dependencies


def test_an_upgrade_ignores_what_the_nodes_own_document_says(
    run_program: Run, good: dict[str, Any], host_key: str
) -> None:
    """kubeadm reads InitConfiguration on the control plane, and JoinConfiguration on a worker."""
    values = with_workers(good | {"hostKey": host_key})
    values["kubernetes"]["kubeadm"] = {
        kind: {"nodeRegistration": {"ignorePreflightErrors": ignored}}
        for kind, ignored in {"InitConfiguration": ["NumCPU", "Mem"], "JoinConfiguration": ["Swap"]}.items()
    }
    recorder = run_program(values)
    for node, ignored in {"k8s": "NumCPU,Mem", "w1": "Swap", "w2": "Swap"}.items():
        line = plain(recorder.one(f"k8s-node-upgrade-{node}").inputs["create"])
        assert f"IGNORED={ignored} " in line


def test_a_new_worker_joins_a_control_plane_that_is_upgraded(
    run_program: Run, good: dict[str, Any], host_key: str
) -> None:
    """It has the new version's kubelet, which may not be newer than the control plane."""
    recorder = run_program(with_workers(good | {"hostKey": host_key}))
    assert "k8s-node-upgrade-k8s" in recorder.one("k8s-node-certificates").dependencies
    # A token's two hours do not begin before the worker can use it.
    invitation = recorder.one("k8s-node-invite-w1").dependencies
    assert {"k8s-node-certificates", "k8s-node-prepare-w1"} <= set(invitation)
    assert "k8s-node-invite-w1" in recorder.one("k8s-node-join-w1").dependencies


def test_a_changed_kubelet_configuration_reaches_every_node(
    run_program: Run, good: dict[str, Any], host_key: str
) -> None:
    def digests(**overrides: Any) -> set[str]:
        values = with_workers(copy.deepcopy(good) | {"hostKey": host_key})
        values["kubernetes"] |= {"kubeadm": overrides} if overrides else {}
        recorder = run_program(values)
        lines = [plain(recorder.one(f"k8s-node-configure-{node}").inputs["create"]) for node in ("k8s", "w1", "w2")]
        return {line.partition("CONFIGURATION=")[2].split()[0] for line in lines}

    before, after = digests(), digests(KubeletConfiguration={"maxPods": 50})
    assert len(before) == len(after) == 1
    assert before != after


def test_redirect_leads_the_ports_to_node_ports(other_stack: Recorder) -> None:
    files = unpacked(other_stack.one("k8s-node-redirect"))
    assert "ListenStream=80\n" in files["files/auto-devops-ingress-80.socket"]
    assert files["files/auto-devops-ingress-443.service"].count(":30443\n") == 1
    values = plain(other_stack.one("k8s-node-ingress").inputs["values"])
    assert values["ports"] == "nodePort"
    assert values["nodePorts"] == {"http": 30080, "https": 30443}


@pytest.mark.parametrize(
    ("ports", "stack", "needs", "port"),
    [("host", "good", True, 80), ("redirect", "other", True, 80), ("nodePort", "bare", False, 30080)],
)
def test_ports_of_ingress(request: pytest.FixtureRequest, ports: str, stack: str, needs: bool, port: int) -> None:
    """Ports that the node itself must have free are looked at before anything is installed."""
    recorder: Recorder = request.getfixturevalue(f"{stack}_stack")
    line = plain(recorder.one("k8s-node-prepare-k8s").inputs["create"])
    assert (" 80 443" in line) == needs
    component = recorder.one("k8s-node", "auto-devops:index:K8sNode")
    assert component.outputs
    assert component.outputs["ingress"]["http"].endswith(f":{port}")
    names = [resource.name for resource in recorder.everything]
    assert ("k8s-node-redirect" in names) == (ports == "redirect")
