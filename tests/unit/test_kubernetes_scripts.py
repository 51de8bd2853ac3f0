"""The nodes' scripts, run here: every path of the machine that they name is one below the test's directory."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from components.k8s_node.nodes import SCRIPTS
from tests.unit.scripts import LIBRARIES, Machine

PATHS = re.compile(r"(?<![\w./$}-])/(?=(etc|var|usr/local|opt|run|root|proc|sys)/)")
QUIET = ("systemctl", "journalctl", "sleep", "findmnt", "ip", "modprobe", "sysctl")
FOREIGN = "a Kubernetes node that this stack did not make"


class Node(Machine):
    """A machine whose root is `root`; what our stack remembers there is in `state`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in QUIET:
            self.fake(name, "true")
        for tables in ("iptables", "ip6tables"):
            self.fake(f"{tables}-save", "true")
        self.state = self.root / "var/lib/auto-devops"
        self.state.mkdir(parents=True)
        self.files({"programs.sh": self.moved(SCRIPTS / "programs.sh"), "kubeadm.yaml": "kubernetesVersion: v1\n"})
        self.variables |= {"VERSION": "1.36.3", "KUBERNETES_URL": "https://mirror.example"}

    def moved(self, script: Path) -> str:
        return PATHS.sub(f"{self.root}/", script.read_text())

    @property
    def library(self) -> str:
        """The functions that scripts have, where this machine is."""
        return "".join(self.moved(path) for path in LIBRARIES)

    def step(self, name: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs a script of the component. It waits for nothing: what is not there at once, does not come."""
        copy = self.root / "tmp" / f"{name}.sh"
        impatient = re.sub(r"\bawait \d+", "await 0", self.moved(SCRIPTS / f"{name}.sh"))
        copy.write_text(self.library + impatient)
        return self.run(copy, **variables)

    def write(self, path: str, text: str = "") -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def called(self, start: str) -> bool:
        return any(call.startswith(start) for call in self.calls)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path / "node")


def admin_conf(node: Node) -> str:
    """kubeadm init, as far as the scripts see it."""
    return f"mkdir -p {node.root}/etc/kubernetes && echo the-kubeconfig >{node.root}/etc/kubernetes/admin.conf"


@pytest.mark.parametrize(("step", "file"), [("init", "manifests/kube-apiserver.yaml"), ("join", "kubelet.conf")])
def test_a_cluster_of_someone_else_is_left_alone(node: Node, step: str, file: str) -> None:
    node.fake("kubeadm", "true")
    theirs = node.write(f"etc/kubernetes/{file}")
    result = node.step(step)
    assert result.returncode == 1
    assert FOREIGN in result.stderr
    assert "kubeadm reset" in result.stderr
    assert theirs.exists()
    assert not node.called("kubeadm")


@pytest.mark.parametrize("step", ["reset", "unprepare"])
def test_a_refused_node_survives_the_removal(node: Node, step: str) -> None:
    """What a script began is taken back even where its first run failed."""
    for program in ("kubeadm", "dpkg-query"):
        node.fake(program, "true")
    theirs = [node.write(path) for path in ("etc/kubernetes/kubelet.conf", "var/lib/etcd/data")]
    result = node.step(step)
    assert result.returncode == 0, result.stderr
    assert all(file.exists() for file in theirs)
    assert not node.called("kubeadm") and not node.called("systemctl")


def test_nothing_is_prepared_on_a_node_of_someone_else(node: Node) -> None:
    node.write("etc/kubernetes/kubelet.conf")
    result = node.step("prepare", MINIMUM_MEMORY="1", PORTS="", ALLOW_SWAP="yes")
    assert result.returncode == 1
    assert FOREIGN in result.stderr
    assert not list(node.state.iterdir())


@pytest.mark.parametrize("step", ["init", "join"])
def test_an_interrupted_beginning_of_ours_is_begun_anew(node: Node, step: str) -> None:
    node.fake("kubeadm", f'if [ "$1" = {step} ]; then exit 1; fi')
    assert node.step(step).returncode == 1
    assert (node.state / "kubernetes-begun").exists()
    for file in ("kubelet.conf", "manifests/kube-apiserver.yaml"):
        node.write(f"etc/kubernetes/{file}")
    node.fake("kubeadm", f"case $1 in {step}) {admin_conf(node)} ;; esac")
    node.fake("kubectl", "true")
    result = node.step(step)
    assert result.returncode == 0, result.stderr
    assert node.called("kubeadm reset")
    assert not (node.root / "etc/kubernetes/manifests").exists()
    assert (node.state / "kubernetes-initialised").exists()


@pytest.mark.parametrize("step", ["init", "join"])
def test_a_node_of_an_earlier_version_of_the_stack_goes_on(node: Node, step: str) -> None:
    """It has no mark of a beginning. Whether its API server answers is configure.sh's business."""
    node.fake("kubeadm", "false")
    node.fake("kubectl", "false")
    node.write("var/lib/auto-devops/kubernetes-initialised")
    for file in ("kubelet.conf", "manifests/kube-apiserver.yaml"):
        node.write(f"etc/kubernetes/{file}")
    node.write("etc/kubernetes/admin.conf", "the-kubeconfig\n")
    result = node.step(step)
    assert result.returncode == 0, result.stderr
    assert result.stdout == ("the-kubeconfig\n" if step == "init" else "")
    assert not node.calls
    assert (node.root / "etc/kubernetes/kubelet.conf").exists()


def test_reset_takes_back_all_of_a_node_of_ours(node: Node) -> None:
    node.fake("kubeadm", "true")
    marks = [node.write(f"var/lib/auto-devops/kubernetes-{name}") for name in ("begun", "initialised", "configuration")]
    node.write("etc/kubernetes/kubelet.conf")
    result = node.step("reset")
    assert result.returncode == 0, result.stderr
    assert node.called("kubeadm reset")
    for path in [*marks, node.root / "etc/kubernetes"]:
        assert not path.exists(), path


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


CONFIGURE = {"ROLE": "control-plane", "CONFIGURATION": ""}
PHASES = ["certs apiserver", "control-plane all", "etcd local", "upload-config all", "addon kube-proxy"]


def configured_node(node: Node) -> Node:
    """A node that runs its configuration. `bad: yes` in it kills the API server; each manifest is the configuration."""
    manifests, kubelet = node.root / "etc/kubernetes/manifests", node.root / "usr/local/bin/kubelet"
    node.write("etc/kubernetes/manifests/kube-apiserver.yaml", "replicas: old\n")
    node.write("etc/kubernetes/manifests/etcd.yaml")
    node.write("usr/local/bin/kubelet", "#!/bin/sh\necho Kubernetes v1\n")
    kubelet.chmod(0o755)
    node.fake(
        "kubeadm",
        f"""for file; do true; done
        case "$*" in *"control-plane all"*) cp "$file" {manifests}/kube-apiserver.yaml ;; esac""",
    )
    alive = f"! grep -q 'bad: yes' {manifests}/kube-apiserver.yaml"
    node.fake("kubectl", f'case "$*" in *readyz*) {alive} ;; esac')
    # Another manifest, another process.
    node.fake("ss", f'echo "users:((\\"x\\",pid=$(cksum <{manifests}/kube-apiserver.yaml | cut -d" " -f1),fd=3))"')
    node.fake("curl", "true")
    node.fake("hostname", "echo n1")
    node.files({"kubeadm.yaml": "replicas: old\n"})
    assert node.step("configure", **CONFIGURE).returncode == 0
    assert not node.called("kubeadm")
    return node


def phases(node: Node) -> list[str]:
    made = [call.split(" --")[0].removeprefix("kubeadm init phase ") for call in node.calls]
    return [call for call in made if call in PHASES]


def test_the_new_api_server_runs_before_it_is_told_its_configuration(node: Node) -> None:
    configured_node(node).files({"kubeadm.yaml": "replicas: new\n"})
    result = node.step("configure", **CONFIGURE)
    assert result.returncode == 0, result.stderr
    assert sorted(phases(node)) == sorted(PHASES)
    calls = node.calls
    ready = max(index for index, call in enumerate(calls) if "readyz" in call)
    uploaded = next(index for index, call in enumerate(calls) if "upload-config" in call)
    made = max(index for index, call in enumerate(calls) if "etcd local" in call)
    assert made < ready < uploaded
    assert (node.state / "kubernetes-configuration").read_text() == "replicas: new\n"
    before = len(node.calls)
    assert node.step("configure", **CONFIGURE).returncode == 0
    assert len(node.calls) == before, "nothing is left to do"


def test_an_api_server_that_stays_the_old_one_is_not_taken_for_the_new(node: Node) -> None:
    configured_node(node).files({"kubeadm.yaml": "replicas: new\n"})
    node.fake("ss", 'echo "users:((\\"x\\",pid=7,fd=3))"')
    result = node.step("configure", **CONFIGURE)
    assert result.returncode == 1
    assert not [phase for phase in phases(node) if phase.startswith("upload")]


def test_a_configuration_that_kills_the_api_server_is_taken_back(node: Node) -> None:
    """For who takes the setting back, nothing differs from what the stack remembers: no script would run again."""
    configured_node(node).files({"kubeadm.yaml": "bad: yes\n"})
    result = node.step("configure", **CONFIGURE)
    assert result.returncode == 1
    assert "/var/log/pods/kube-system_kube-apiserver-" in result.stderr
    assert "previous configuration" in result.stderr
    assert (node.root / "etc/kubernetes/manifests/kube-apiserver.yaml").read_text() == "replicas: old\n"
    assert not [phase for phase in phases(node) if phase.startswith("upload")]


def test_the_previous_configuration_is_not_the_previous_version(node: Node) -> None:
    """Since it was applied, the node was upgraded to v1."""
    configured_node(node)
    node.write("var/lib/auto-devops/kubernetes-configuration", "kubernetesVersion: v0\nreplicas: old\n")
    node.files({"kubeadm.yaml": "kubernetesVersion: v2\nreplicas: old\n"})
    assert node.step("configure", **CONFIGURE).returncode == 0
    assert not node.called("kubeadm"), "nothing to do"
    node.files({"kubeadm.yaml": "kubernetesVersion: v2\nbad: yes\n"})
    assert node.step("configure", **CONFIGURE).returncode == 1
    manifest = node.root / "etc/kubernetes/manifests/kube-apiserver.yaml"
    assert manifest.read_text() == "kubernetesVersion: v1\nreplicas: old\n"


@pytest.mark.parametrize("corrected", ["old", "new"])
def test_a_dead_api_server_is_mended_by_the_corrected_setting(node: Node, corrected: str) -> None:
    """Killed half way: the API server is dead, and what was applied last is the old configuration."""
    configured_node(node).files({"kubeadm.yaml": "bad: yes\n"})
    node.fake("kubectl", "kill -9 $PPID")
    node.step("configure", **CONFIGURE)
    configured = node.root / "etc/kubernetes/manifests/kube-apiserver.yaml"
    assert configured.read_text() == "bad: yes\n"
    node.fake("kubectl", f"case \"$*\" in *readyz*) ! grep -q 'bad: yes' {configured} ;; esac")
    node.files({"kubeadm.yaml": f"replicas: {corrected}\n"})
    result = node.step("configure", **CONFIGURE)
    assert result.returncode == 0, result.stderr
    assert configured.read_text() == f"replicas: {corrected}\n"


NETWORK = {"NODE": "k8s", "POD_CIDR": "10.244.0.0/16", "NODES": "k8s=10.0.0.1=10.244.0.0/24 w1=10.0.0.2=10.244.1.0/24"}


def network(node: Node, cluster: str) -> list[str]:
    """The routes that the pods' network removes: w2 was taken out of the settings, `cluster` is what kubectl says."""
    node.files({"cni.conflist": "@SUBNET@", "auto-devops-pod-network.service": ""})
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


def test_volumes_go_with_the_node(node: Node) -> None:
    node.fake("kubeadm", "true")
    volume = node.write("var/lib/auto-devops-volumes/pvc-1/data")
    assert node.step("reset").returncode == 0
    assert not volume.parents[1].exists()


def test_a_containerd_that_stays_is_as_it_was(node: Node) -> None:
    """What its namespace had before us stays, also an image of ours that it had already."""
    node.write("var/lib/dpkg/status")
    node.write("var/lib/auto-devops/kubernetes-containerd", "images theirs:1\ncontainers abc\n")
    node.fake("dpkg-query", "printf installed")
    node.fake(
        "ctr",
        'case "$*" in *"images ls"*) printf "theirs:1\\nours:1\\n" ;; *"containers ls"*) printf "abc\\ndef\\n" ;; esac',
    )
    result = node.step("unprepare")
    assert result.returncode == 0, result.stderr
    assert node.called("ctr -n k8s.io images rm ours:1")
    assert node.called("ctr -n k8s.io containers rm def")
    assert not [call for call in node.calls if " rm " in call and ("theirs" in call or "abc" in call)]
    assert not (node.state / "kubernetes-containerd").exists()


@pytest.mark.parametrize(
    ("installed", "ctr", "kept"),
    [
        ("", "false", ""),
        ("installed", "echo theirs", "images theirs\ncontainers theirs\n"),
        ("installed", "false", None),
    ],
)
def test_what_containerd_has_before_us_is_remembered(node: Node, installed: str, ctr: str, kept: str | None) -> None:
    node.write("proc/meminfo", "MemTotal: 4000000 kB\n")
    node.write("proc/swaps")
    node.fake("dpkg-query", f"printf '{installed}'")
    node.fake("ctr", ctr)
    node.fake("sysctl", "false")  # Far enough.
    variables = {"MINIMUM_MEMORY": "1", "PORTS": "", "ALLOW_SWAP": "yes"}
    assert node.step("prepare", **variables).returncode == 1
    assert node.called("sysctl")
    record = node.state / "kubernetes-containerd"
    assert (record.read_text() if record.exists() else None) == kept


def test_a_containerd_of_which_nothing_is_known_is_left_alone(node: Node) -> None:
    """A machine that an earlier version of the stack prepared."""
    node.fake("dpkg-query", "printf installed")
    node.fake("ctr", "echo theirs:1")
    assert node.step("unprepare").returncode == 0
    assert not node.called("ctr")


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
