"""K8sNode: a Kubernetes cluster of one control plane and any number of workers, made by kubeadm."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_command import remote

from components.ca import CA, Certificate
from components.checksum import checksum
from components.cluster_object import ClusterObject
from components.host import Host, Script
from components.k8s_node import kubeadm
from components.templates import render

SCRIPTS = Path(__file__).parent / "scripts"
CHARTS = Path(__file__).resolve().parents[2] / "charts"
PROGRAMS = SCRIPTS / "programs.sh"
NAMESPACE = "auto-devops"
API_PORT = 6443
INGRESS_PORTS = {"http": (80, 30080), "https": (443, 30443)}
"""Port of the node, and node port of the Service where there is one (charts/ingress/values.yaml has the same)."""
CONTROL_PLANE_PORTS = "6443 2379 2380 10250 10257 10259"
WORKER_PORTS = "10250"
KUBECONFIG_DAYS = 45
"""How long one reading of the kubeconfig is used: it is good for at least twice as long (see renew-certificates.sh)."""
CONTROL_PLANE_MEMORY, WORKER_MEMORY = 1700, 700
"""MiB; kubeadm's own limit for a control plane (its preflight check Mem), and what a worker's own services need."""


@dataclass(frozen=True)
class Mirrors:
    """`registries` map upstream registries to mirrors; the URLs are laid out as dl.k8s.io and the CNI releases."""

    registries: Mapping[str, str]
    kubernetes_url: str
    cni_url: str


@dataclass(frozen=True)
class K8sNodeArgs:
    """`trusted` is each host's trust in the CA; `kubeadm` (kind to content) and `containerd` override what is made.

    `name_server` is the address that pods' names are asked of; "" leaves that to each machine's own resolver. `today`
    sets the period in which the kubeconfig is not read again.
    """

    host: Host
    workers: Sequence[Host]
    trusted: Mapping[str, pulumi.Resource]
    ca: CA
    domain: str
    version: str
    cni_version: str
    pod_cidr: str
    service_cidr: str
    mirrors: Mirrors
    name_server: str
    images: Mapping[str, str]
    today: datetime.date
    ingress_ports: Literal["host", "redirect", "nodePort"] = "host"
    kubeadm: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    containerd: Mapping[str, Any] = field(default_factory=dict)


class K8sNode(pulumi.ComponentResource):
    """The cluster at `https://ADDRESS:6443`, with ingress on ports 80 and 443 for `*.k8s.<domain>`.

    Owns: on each host the kernel settings, containerd, the kubelet and the pods' network; the control plane; ingress,
    storage and metrics. Does not own: the names (see DNS) and what people deploy; removal takes that with the cluster.
    """

    kubeconfig: pulumi.Output[str]
    """The administrator's, by address. Secret."""
    endpoint: str
    """The API server, by address."""
    base_domain: str
    """Applications are at `<name>.<base_domain>`."""
    version: pulumi.Output[str]
    """The version that runs."""
    ingress: dict[str, str]
    """Where ingress answers, by scheme: `{"http": "ADDRESS:80", "https": "ADDRESS:443"}`, or its node ports."""
    provider: kubernetes.Provider
    """The cluster for further resources of pulumi-kubernetes."""

    def __init__(self, name: str, args: K8sNodeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("auto-devops:index:K8sNode", name, None, opts)
        self._args = args
        nodes = [args.host, *args.workers]
        expected = " ".join(node.name for node in nodes)
        self.endpoint = f"https://{args.host.address}:{API_PORT}"
        self.base_domain = f"k8s.{args.domain}"

        own_ports = args.ingress_ports != "nodePort"
        self.ingress = {
            scheme: f"{args.host.address}:{port if own_ports else node_port}"
            for scheme, (port, node_port) in INGRESS_PORTS.items()
        }

        ports = CONTROL_PLANE_PORTS + (" 80 443" if own_ports else "")
        first = self._prepare(name, args.host, ports, CONTROL_PLANE_MEMORY)
        self._configuration = kubeadm.control_plane(
            name=args.host.name,
            address=args.host.address,
            version=args.version,
            names=[self.base_domain],
            pod_cidr=args.pod_cidr,
            service_cidr=args.service_cidr,
            overrides=args.kubeadm,
        )
        control_plane = args.host.run(
            f"{name}-control-plane",
            Script(SCRIPTS / "init.sh", SCRIPTS / "reset.sh"),
            parent=self,
            files={"kubeadm.yaml": self._configuration},
            depends_on=[first],
            secret_output=True,
        )
        # The control plane first; no kubelet may be newer than it, a new worker's neither, and workers take their
        # configuration from it.
        configured = self._configure(name, args.host, "control-plane", [control_plane])
        upgraded = [self._upgrade(name, args.host, "control-plane", [configured])]
        certificates = self._certificates(name, upgraded[0])
        joined = [self._join(name, worker, certificates) for worker in args.workers]
        registered = args.host.run(
            f"{name}-nodes",
            Script(SCRIPTS / "nodes.sh", SCRIPTS / "nothing.sh"),
            parent=self,
            variables={"EXPECTED": expected},
            depends_on=[certificates, *joined],
        )
        for worker in args.workers:
            configured = self._configure(name, worker, "worker", [upgraded[0], registered])
            upgraded.append(self._upgrade(name, worker, "worker", [configured, *upgraded[1:]]))
        networks = [self._network(name, node, registered) for node in nodes]
        approved = args.host.run(
            f"{name}-approval",
            Script(SCRIPTS / "approval-install.sh", SCRIPTS / "approval-remove.sh"),
            parent=self,
            variables={"EXPECTED": expected},
            files={
                "approve-kubelets.sh": (SCRIPTS / "approve-kubelets.sh").read_text(),
                "auto-devops-approve-kubelets.service": render("k8s_node/templates/approve.service.j2"),
                "auto-devops-approve-kubelets.timer": render("k8s_node/templates/approve.timer.j2"),
            },
            depends_on=[registered],
        )
        ready = args.host.run(
            f"{name}-ready",
            Script(SCRIPTS / "await-ready.sh", SCRIPTS / "nothing.sh"),
            parent=self,
            variables={"EXPECTED": expected, "VERSION": args.version},
            depends_on=[*networks, approved, *upgraded],
        )
        self.version = ready.stdout.apply(str.strip)
        self.kubeconfig = _secret(certificates.stdout)
        self.provider = kubernetes.Provider(
            f"{name}-cluster",
            kubeconfig=self.kubeconfig,
            # A preview of an upgrade does not know the kubeconfig, and a renewal changes it: the cluster is the same.
            cluster_identifier=self.endpoint,
            # What someone changed with kubectl in an object of ours is mended, not a conflict.
            enable_patch_force=True,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[ready]),
        )
        if args.ingress_ports == "redirect":
            self._redirect(name, ready)
        self._services(name)
        self.register_outputs(
            {
                "kubeconfig": self.kubeconfig,
                "endpoint": self.endpoint,
                "version": self.version,
                "base_domain": self.base_domain,
                "ingress": self.ingress,
            }
        )

    def _prepare(self, name: str, host: Host, ports: str, memory: int) -> remote.Command:
        args = self._args
        swap = args.kubeadm.get("KubeletConfiguration", {}).get("failSwapOn", True)
        return host.run(
            f"{name}-prepare-{host.name}",
            Script(SCRIPTS / "prepare.sh", SCRIPTS / "unprepare.sh"),
            parent=self,
            variables={
                "VERSION": args.version,
                "CNI_VERSION": args.cni_version,
                "KUBERNETES_URL": args.mirrors.kubernetes_url,
                "CNI_URL": args.mirrors.cni_url,
                "REGISTRIES": " ".join(f"{up}={mirror}" for up, mirror in sorted(args.mirrors.registries.items())),
                "PORTS": ports,
                "MINIMUM_MEMORY": str(memory),
                "ALLOW_SWAP": "no" if swap else "yes",
                "NAME_SERVER": args.name_server,
            },
            files={
                "containerd.toml": render("k8s_node/templates/containerd.toml.j2", cri=args.containerd),
                "kubelet.service": render("k8s_node/templates/kubelet.service.j2"),
                "10-kubeadm.conf": render("k8s_node/templates/10-kubeadm.conf.j2"),
                "programs.sh": PROGRAMS.read_text(),
            },
            depends_on=[args.trusted[host.name]],
        )

    def _certificates(self, name: str, upgraded: pulumi.Resource) -> remote.Command:
        """Renews the control plane's certificates in time, now and by a timer; prints the kubeconfig.

        What may have changed that makes this read it again: an upgrade renews it, and so does time.
        """
        args = self._args
        schedule = "Sun *-*-* 04:00:00"
        return args.host.run(
            f"{name}-certificates",
            Script(SCRIPTS / "certificates.sh", SCRIPTS / "certificates-remove.sh"),
            parent=self,
            variables={"SCHEDULE": schedule},
            files={
                "renew-certificates.sh": (SCRIPTS / "renew-certificates.sh").read_text(),
                "auto-devops-renew-certificates.service": render("k8s_node/templates/certificates.service.j2"),
                "auto-devops-renew-certificates.timer": render(
                    "host/templates/calendar.timer.j2",
                    description="Renew the certificates of Kubernetes' control plane in time",
                    schedule=schedule,
                ),
            },
            triggers=[args.version, self._configuration, str(args.today.toordinal() // KUBECONFIG_DAYS)],
            depends_on=[upgraded],
            secret_output=True,
        )

    def _join(self, name: str, worker: Host, control_plane: pulumi.Resource) -> pulumi.Resource:
        """`control_plane` is what makes it ready for this worker, in its version and configuration."""
        args = self._args
        prepared = self._prepare(name, worker, WORKER_PORTS, WORKER_MEMORY)
        invitation = args.host.run(
            f"{name}-invite-{worker.name}",
            Script(SCRIPTS / "invite.sh", SCRIPTS / "nothing.sh"),
            parent=self,
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
                endpoint=f"{args.host.address}:{API_PORT}",
                token=token,
                ca_hash=ca_hash,
                overrides=args.kubeadm,
            )

        joined = worker.run(
            f"{name}-join-{worker.name}",
            Script(SCRIPTS / "join.sh", SCRIPTS / "reset.sh"),
            parent=self,
            files={"kubeadm.yaml": _secret(invitation.stdout).apply(configuration)},
            depends_on=[prepared],
        )
        # Drains before the worker is reset: what depends on another goes first.
        return args.host.run(
            f"{name}-member-{worker.name}",
            Script(SCRIPTS / "nothing.sh", SCRIPTS / "uninvite.sh"),
            parent=self,
            variables={"NODE": worker.name},
            depends_on=[joined],
        )

    def _network(self, name: str, node: Host, registered: remote.Command) -> pulumi.Resource:
        return node.run(
            f"{name}-network-{node.name}",
            Script(SCRIPTS / "network.sh", SCRIPTS / "unnetwork.sh"),
            parent=self,
            variables={
                "NODE": node.name,
                "NODES": registered.stdout.apply(str.strip),
                "POD_CIDR": self._args.pod_cidr,
            },
            files={
                "cni.conflist": render("k8s_node/templates/cni.conflist.j2"),
                "auto-devops-pod-network.service": render("k8s_node/templates/pod-network.service.j2"),
            },
        )

    def _configure(self, name: str, node: Host, role: str, after: Sequence[pulumi.Resource]) -> pulumi.Resource:
        """A changed kubeadm configuration reaches a node that runs."""
        files: dict[str, pulumi.Input[str]] = {"programs.sh": PROGRAMS.read_text()}
        kubelet = self._args.kubeadm.get("KubeletConfiguration", {})
        if role == "control-plane":
            files["kubeadm.yaml"] = self._configuration
        return node.run(
            f"{name}-configure-{node.name}",
            Script(SCRIPTS / "configure.sh", SCRIPTS / "nothing.sh"),
            parent=self,
            variables={"ROLE": role, "CONFIGURATION": checksum(json.dumps(kubelet, sort_keys=True))},
            files=files,
            depends_on=after,
        )

    def _upgrade(self, name: str, node: Host, role: str, after: Sequence[pulumi.Resource]) -> pulumi.Resource:
        args = self._args
        ignored = args.kubeadm.get("InitConfiguration", {}).get("nodeRegistration", {}).get("ignorePreflightErrors", [])
        return node.run(
            f"{name}-upgrade-{node.name}",
            Script(SCRIPTS / "upgrade.sh", SCRIPTS / "nothing.sh"),
            parent=self,
            variables={
                "VERSION": args.version,
                "KUBERNETES_URL": args.mirrors.kubernetes_url,
                "ROLE": role,
                "NODE": node.name,
                "IGNORED": ",".join(ignored),
            },
            files={"programs.sh": PROGRAMS.read_text()},
            depends_on=after,
        )

    def _redirect(self, name: str, ready: pulumi.Resource) -> None:
        """Ports 80 and 443 of the node lead to ingress' node ports, after a reboot too."""
        args = self._args
        files: dict[str, pulumi.Input[str]] = {}
        for port, node_port in INGRESS_PORTS.values():
            files[f"auto-devops-ingress-{port}.socket"] = render("k8s_node/templates/ingress.socket.j2", port=port)
            files[f"auto-devops-ingress-{port}.service"] = render(
                "k8s_node/templates/ingress.service.j2", address=args.host.address, node_port=node_port
            )
        args.host.run(
            f"{name}-redirect",
            Script(SCRIPTS / "redirect.sh", SCRIPTS / "unredirect.sh"),
            parent=self,
            variables={"PORTS": " ".join(str(port) for port, _ in INGRESS_PORTS.values())},
            files=files,
            depends_on=[ready],
        )

    def _services(self, name: str) -> None:
        """Ingress, storage and metrics: what people expect of a fresh cluster."""
        args = self._args
        namespace = ClusterObject(
            "core/v1", "Namespace", f"{name}-namespace", {"metadata": {"name": NAMESPACE}}, self, self.provider, []
        )

        def certificate_secret(role: str, certificate: Certificate) -> pulumi.Resource:
            contents = {
                "metadata": {"name": role, "namespace": NAMESPACE},
                "type": "kubernetes.io/tls",
                "stringData": {"tls.crt": certificate.chain, "tls.key": _secret(certificate.key)},
            }
            return ClusterObject(
                "core/v1", "Secret", f"{name}-{role}-certificate", contents, self, self.provider, [namespace]
            )

        def release(chart: str, values: dict[str, Any], needs: Sequence[pulumi.Resource]) -> None:
            kubernetes.helm.v3.Release(
                f"{name}-{chart}",
                name=chart,
                chart=str(CHARTS / chart),
                namespace=NAMESPACE,
                values=values,
                timeout=300,
                opts=pulumi.ResourceOptions(parent=self, provider=self.provider, depends_on=[namespace, *needs]),
            )

        wildcard = args.ca.issue_server(
            f"{name}-wildcard", [f"*.{self.base_domain}", self.base_domain], [args.host.address], parent=self
        )
        metrics = args.ca.issue_server(f"{name}-metrics", [f"metrics-server.{NAMESPACE}.svc"], parent=self)
        release(
            "ingress",
            {
                "image": args.images["traefik"],
                "defaultBackendImage": args.images["defaultBackend"],
                "ports": "host" if args.ingress_ports == "host" else "nodePort",
                "nodePorts": {scheme: node_port for scheme, (_, node_port) in INGRESS_PORTS.items()},
                "address": args.host.address,
                "defaultCertificate": {"secretName": "wildcard", "checksum": wildcard.chain.apply(checksum)},
            },
            [certificate_secret("wildcard", wildcard)],
        )
        release("storage", {"image": args.images["localPathProvisioner"], "helperImage": args.images["busybox"]}, [])
        release(
            "metrics",
            {
                "image": args.images["metricsServer"],
                "certificate": {
                    "secretName": "metrics-server",
                    "checksum": metrics.chain.apply(checksum),
                    "authority": args.ca.certificate,
                },
            },
            [certificate_secret("metrics-server", metrics)],
        )


def _secret(output: pulumi.Output[str]) -> pulumi.Output[str]:
    """`output`, marked as secret."""
    marked: pulumi.Output[str] = pulumi.Output.secret(output)
    return marked
