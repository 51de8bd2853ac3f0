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
from components.host import Script
from components.k8s_node import kubeadm
from components.secrets import secret
from components.site import Site
from components.templates import render
from names import KUBERNETES_API_PORT
from settings.kubernetes import KubeadmKind, KubernetesSettings

SCRIPTS = Path(__file__).parent / "scripts"
PROGRAMS = SCRIPTS / "programs.sh"
NOTHING = SCRIPTS / "nothing.sh"

Role = Literal["control-plane", "worker"]
PORTS: dict[Role, str] = {"control-plane": "6443 2379 2380 10250 10257 10259", "worker": "10250"}
"""What Kubernetes itself listens on."""
MEMORY: dict[Role, int] = {"control-plane": 1700, "worker": 700}
"""MiB; kubeadm's own limit for a control plane (its preflight check Mem), and what a worker's own services need."""
NODE_CONFIGURATION: dict[Role, KubeadmKind] = {"control-plane": "InitConfiguration", "worker": "JoinConfiguration"}
"""The kubeadm document that describes the node itself."""


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

    def prepare(self, node: TrustedHost, role: Role, further_ports: str = "") -> remote.Command:
        """Checks the machine, then installs kernel settings, containerd, the kubelet and its programs."""
        settings, mirrors = self.settings, self.site.downloads.mirrors
        swap = settings.kubeadm.get("KubeletConfiguration", {}).get("failSwapOn", True)
        return node.run(
            f"{self.name}-prepare-{node.name}",
            Script(SCRIPTS / "prepare.sh", SCRIPTS / "unprepare.sh"),
            parent=self.cluster,
            variables={
                "VERSION": settings.version,
                "CNI_VERSION": settings.cni_version,
                "KUBERNETES_URL": mirrors.kubernetes,
                "CNI_URL": mirrors.cni,
                "REGISTRIES": " ".join(f"{up}={mirror}" for up, mirror in sorted(mirrors.images.items())),
                "PORTS": PORTS[role] + further_ports,
                "MINIMUM_MEMORY": str(MEMORY[role]),
                "ALLOW_SWAP": "no" if swap else "yes",
                "NAME_SERVER": self.name_server,
            },
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
            },
        )
