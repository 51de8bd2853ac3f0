"""K8sNode: a Kubernetes cluster of one control plane and any number of workers, made by kubeadm."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_command import remote

from components.ca import TrustedHost
from components.dns import NameService
from components.host import Script, Timer
from components.k8s_node import kubeadm
from components.k8s_node.nodes import NOTHING, SCRIPTS, Nodes
from components.k8s_node.services import INGRESS_PORTS, Services, redirect
from components.secrets import secret
from components.site import Site
from components.templates import render
from names import KUBERNETES_API_PORT
from settings.kubernetes import KubernetesSettings

KUBECONFIG_DAYS = 45
"""How long one reading of the kubeconfig is used: it is good for at least twice as long (see renew-certificates.sh)."""


@dataclass(frozen=True)
class K8sNodeArgs:
    """`host` is the control plane's; `dns` is the name service that pods use.

    `today` sets the period in which the kubeconfig is not read again.
    """

    site: Site
    host: TrustedHost
    workers: Sequence[TrustedHost]
    settings: KubernetesSettings
    dns: NameService
    today: datetime.date


@dataclass(frozen=True)
class ClusterAccess:
    """The cluster as others use it.

    `provider` is for further resources in it, `endpoint` the URL of its API server, both by address. `ready` is to be
    waited for by whatever needs ingress, storage or metrics.
    """

    provider: kubernetes.Provider
    endpoint: str
    ready: pulumi.Resource


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
    access: ClusterAccess

    def __init__(self, name: str, args: K8sNodeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("auto-devops:index:K8sNode", name, None, opts)
        self._args = args
        settings, host = args.settings, args.host
        nodes = [host, *args.workers]
        expected = " ".join(node.name for node in nodes)
        self.endpoint = f"https://{host.address}:{KUBERNETES_API_PORT}"
        self.base_domain = args.site.names.kubernetes

        own_ports = settings.ingress_ports != "nodePort"
        self.ingress = {
            scheme: f"{host.address}:{port if own_ports else node_port}"
            for scheme, (port, node_port) in INGRESS_PORTS.items()
        }

        steps = Nodes(name, self, args.site, settings, args.dns.address)
        prepared = steps.prepare(host, "control-plane")
        configuration = kubeadm.control_plane(host.name, host.address, [self.base_domain], settings)
        control_plane = host.run(
            f"{name}-control-plane",
            Script(SCRIPTS / "init.sh", SCRIPTS / "reset.sh"),
            parent=self,
            files={"kubeadm.yaml": configuration},
            depends_on=[prepared],
            secret_output=True,
        )
        # The control plane first; no kubelet may be newer than it, a new worker's neither, and workers take their
        # configuration from it.
        configured = steps.configure(host, "control-plane", [control_plane], configuration)
        upgraded = [steps.upgrade(host, "control-plane", [configured])]
        certificates = self._certificates(name, configuration, upgraded[0])
        joined = [steps.join(worker, host, certificates) for worker in args.workers]
        registered = host.run(
            f"{name}-nodes",
            Script(SCRIPTS / "nodes.sh", NOTHING),
            parent=self,
            variables={"EXPECTED": expected},
            depends_on=[certificates, *joined],
        )
        for worker in args.workers:
            configured = steps.configure(worker, "worker", [upgraded[0], registered])
            upgraded.append(steps.upgrade(worker, "worker", [configured, *upgraded[1:]]))
        networks = [steps.network(node, registered) for node in nodes]
        approved = self._approval(name, expected, registered)
        ready = host.run(
            f"{name}-ready",
            Script(SCRIPTS / "await-ready.sh", NOTHING),
            parent=self,
            variables={"EXPECTED": expected, "VERSION": settings.version},
            depends_on=[*networks, approved, *upgraded],
        )
        self.version = ready.stdout.apply(str.strip)
        self.kubeconfig = secret(certificates.stdout)
        provider = kubernetes.Provider(
            f"{name}-cluster",
            kubeconfig=self.kubeconfig,
            # A preview of an upgrade does not know the kubeconfig, and a renewal changes it: the cluster is the same.
            cluster_identifier=self.endpoint,
            # What someone changed with kubectl in an object of ours is mended, not a conflict.
            enable_patch_force=True,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[ready]),
        )
        if settings.ingress_ports == "redirect":
            redirect(name, host, parent=self, after=[ready])
        Services(name, self, provider, args.site, settings, host.address).make()
        self.access = ClusterAccess(provider, self.endpoint, self)
        self.register_outputs(
            {
                "kubeconfig": self.kubeconfig,
                "endpoint": self.endpoint,
                "version": self.version,
                "base_domain": self.base_domain,
                "ingress": self.ingress,
            }
        )

    def _certificates(self, name: str, configuration: str, upgraded: pulumi.Resource) -> remote.Command:
        """Renews the control plane's certificates in time, now and by a timer; prints the kubeconfig.

        What may have changed that makes this read it again: an upgrade renews it, and so does time.
        """
        timer = Timer.by_calendar(
            "auto-devops-renew-certificates",
            SCRIPTS / "renew-certificates.sh",
            render("k8s_node/templates/certificates.service.j2"),
            description="Renew the certificates of Kubernetes' control plane in time",
            schedule="Sun *-*-* 04:00:00",
        )
        return self._args.host.timer(
            f"{name}-certificates",
            Script(SCRIPTS / "certificates.sh", SCRIPTS / "certificates-remove.sh"),
            timer,
            parent=self,
            triggers=[
                self._args.settings.version,
                configuration,
                str(self._args.today.toordinal() // KUBECONFIG_DAYS),
            ],
            depends_on=[upgraded],
            secret_output=True,
        )

    def _approval(self, name: str, expected: str, registered: pulumi.Resource) -> remote.Command:
        """Approves the serving certificates that the kubelets of the `expected` nodes ask for, by a timer."""
        timer = Timer(
            "auto-devops-approve-kubelets",
            SCRIPTS / "approve-kubelets.sh",
            service=render("k8s_node/templates/approve.service.j2"),
            timer=render("k8s_node/templates/approve.timer.j2"),
        )
        return self._args.host.timer(
            f"{name}-approval",
            Script(SCRIPTS / "approval-install.sh", SCRIPTS / "approval-remove.sh"),
            timer,
            parent=self,
            variables={"EXPECTED": expected},
            depends_on=[registered],
        )
