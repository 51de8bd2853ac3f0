"""The steps that make a machine a node of the cluster, and keep it one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pulumi
from pulumi_command import remote

from components.ca import TrustedHost
from components.checksum import checksum
from components.host import Check, Script
from components.k8s_node import kubeadm
from components.secrets import secret
from components.site import Site
from components.templates import render
from names import KUBERNETES_API_PORT
from settings.kubernetes import KubeadmKind, KubernetesSettings
from settings.machines import Machine
from settings.mirrors import Downloads

SCRIPTS = Path(__file__).parent / "scripts"
PROGRAMS = SCRIPTS / "programs.sh"
NOTHING = SCRIPTS / "nothing.sh"
CHECK = SCRIPTS / "check.sh"

Role = Literal["control-plane", "worker"]
PORTS: dict[Role, str] = {"control-plane": "6443 2379 2380 10250 10257 10259", "worker": "10250"}
"""What Kubernetes itself listens on."""
MEMORY: dict[Role, int] = {"control-plane": 1700, "worker": 700}
"""MiB; kubeadm's own limit for a control plane (its preflight check Mem), and what a worker's own services need."""
NODE_CONFIGURATION: dict[Role, KubeadmKind] = {"control-plane": "InitConfiguration", "worker": "JoinConfiguration"}
"""The kubeadm document that describes the node itself."""


def preparation(
    node: str, role: Role, settings: KubernetesSettings, downloads: Downloads, name_server: str
) -> dict[str, str]:
    """What the script that prepares a node has in its environment, and so its check.

    `name_server` is the address of the pods' name server; "" leaves that to the machine's own resolver.
    """
    mirrors, kubelet = downloads.mirrors, settings.kubeadm.get("KubeletConfiguration", {})
    # Ports of the node for ingress, which is on the control plane's.
    ingress = " 80 443" if role == "control-plane" and settings.ingress_ports != "nodePort" else ""
    # The kubelet's own default since 1.35.
    refuses_cgroup_v1 = kubelet.get("failCgroupV1", tuple(map(int, settings.version.split(".")[:2])) >= (1, 35))
    return {
        "NODE": node,
        "VERSION": settings.version,
        "CNI_VERSION": settings.cni_version,
        "KUBERNETES_URL": mirrors.kubernetes,
        "CNI_URL": mirrors.cni,
        "REGISTRIES": " ".join(f"{up}={mirror}" for up, mirror in sorted(mirrors.images.items())),
        "PORTS": PORTS[role] + ingress,
        "MINIMUM_MEMORY": str(MEMORY[role]),
        "ALLOW_SWAP": "no" if kubelet.get("failSwapOn", True) else "yes",
        "ALLOW_CGROUP_V1": "no" if refuses_cgroup_v1 else "yes",
        "NAME_SERVER": name_server,
    }


def check(
    name: str, machine: Machine, role: Role, settings: KubernetesSettings, downloads: Downloads, name_server: str
) -> Check:
    """What `machine` is looked at for before it becomes a node of the cluster whose component is called `name`."""
    variables = preparation(machine.name, role, settings, downloads, name_server)
    return Check(machine, prepare_name(name, machine.name), CHECK, variables)


def prepare_name(name: str, node: str) -> str:
    """The resource that prepares `node`."""
    return f"{name}-prepare-{node}"


@dataclass(frozen=True)
class Nodes:
    """The steps of one cluster. Each is a resource below `cluster`, the component, whose name is `name`.

    `name_server` is the address of the pods' name server; "" leaves that to each machine's own resolver.
    """

    name: str
    cluster: pulumi.Resource
    site: Site
    settings: KubernetesSettings
    name_server: str

    def prepare(self, node: TrustedHost, role: Role) -> remote.Command:
        """Checks the machine, then installs kernel settings, containerd, the kubelet and its programs."""
        settings = self.settings
        return node.run(
            prepare_name(self.name, node.name),
            Script(SCRIPTS / "prepare.sh", SCRIPTS / "unprepare.sh", CHECK),
            parent=self.cluster,
            variables=preparation(node.name, role, settings, self.site.downloads, self.name_server),
            files={
                "containerd.toml": render("k8s_node/templates/containerd.toml.j2", cri=settings.containerd),
                "kubelet.service": render("k8s_node/templates/kubelet.service.j2"),
                "10-kubeadm.conf": render("k8s_node/templates/10-kubeadm.conf.j2"),
                "programs.sh": PROGRAMS.read_text(),
            },
        )

    def configure(
        self, node: TrustedHost, role: Role, after: Sequence[pulumi.Resource], configuration: str | None = None
    ) -> pulumi.Resource:
        """Applies a changed kubeadm configuration to a running node; `configuration` is the control plane's."""
        files: dict[str, pulumi.Input[str]] = {"programs.sh": PROGRAMS.read_text()}
        if configuration:
            files["kubeadm.yaml"] = configuration
        kubelet = self.settings.kubeadm.get("KubeletConfiguration", {})
        return node.run(
            f"{self.name}-configure-{node.name}",
            Script(SCRIPTS / "configure.sh", NOTHING),
            parent=self.cluster,
            variables={"ROLE": role, "CONFIGURATION": checksum(json.dumps(kubelet, sort_keys=True))},
            files=files,
            depends_on=after,
        )

    def upgrade(self, node: TrustedHost, role: Role, after: Sequence[pulumi.Resource]) -> pulumi.Resource:
        """Brings a node to the version in the settings."""
        settings = self.settings
        registration = settings.kubeadm.get(NODE_CONFIGURATION[role], {}).get("nodeRegistration", {})
        return node.run(
            f"{self.name}-upgrade-{node.name}",
            Script(SCRIPTS / "upgrade.sh", NOTHING),
            parent=self.cluster,
            variables={
                "VERSION": settings.version,
                "KUBERNETES_URL": self.site.downloads.mirrors.kubernetes,
                "ROLE": role,
                "NODE": node.name,
                "IGNORED": ",".join(registration.get("ignorePreflightErrors", [])),
            },
            files={"programs.sh": PROGRAMS.read_text()},
            depends_on=after,
        )

    def join(self, worker: TrustedHost, host: TrustedHost, control_plane: pulumi.Resource) -> pulumi.Resource:
        """Joins `worker` to the control plane on `host`, once `control_plane` is there.

        Returns the resource that, on removal, drains the worker and deletes it from the cluster before it is reset.
        """
        prepared = self.prepare(worker, "worker")
        invitation = host.run(
            f"{self.name}-invite-{worker.name}",
            Script(SCRIPTS / "invite.sh", NOTHING),
            parent=self.cluster,
            variables={"NODE": worker.name},
            # The token is good for two hours: not before the worker is prepared, which may take several attempts.
            depends_on=[control_plane, prepared],
            secret_output=True,
        )

        def configuration(answer: str) -> str:
            token, ca_hash = answer.split()
            return kubeadm.worker(
                name=worker.name,
                address=worker.address,
                endpoint=f"{host.address}:{KUBERNETES_API_PORT}",
                token=token,
                ca_hash=ca_hash,
                overrides=self.settings.kubeadm,
            )

        joined = worker.run(
            f"{self.name}-join-{worker.name}",
            Script(SCRIPTS / "join.sh", SCRIPTS / "reset.sh"),
            parent=self.cluster,
            files={"kubeadm.yaml": secret(invitation.stdout).apply(configuration)},
            depends_on=[prepared],
        )
        # Drains before the worker is reset: what depends on another goes first.
        return host.run(
            f"{self.name}-member-{worker.name}",
            Script(NOTHING, SCRIPTS / "uninvite.sh"),
            parent=self.cluster,
            variables={"NODE": worker.name},
            depends_on=[joined],
        )

    def network(self, node: TrustedHost, registered: remote.Command) -> pulumi.Resource:
        """The pods' network on a node; `registered` prints the nodes that there are."""
        return node.run(
            f"{self.name}-network-{node.name}",
            Script(SCRIPTS / "network.sh", SCRIPTS / "unnetwork.sh"),
            parent=self.cluster,
            variables={
                "NODE": node.name,
                "NODES": registered.stdout.apply(str.strip),
                "POD_CIDR": self.settings.pod_cidr,
            },
            files={
                "cni.conflist": render("k8s_node/templates/cni.conflist.j2"),
                "auto-devops-pod-network.service": render("k8s_node/templates/pod-network.service.j2"),
                "host-ports.sh": (SCRIPTS / "host-ports.sh").read_text(),
            },
        )
