"""What people expect of a fresh cluster: ingress, storage and metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi

from components.ca import Certificate, TrustedHost
from components.chart_release import ChartRelease
from components.checksum import checksum
from components.cluster_object import ClusterObject
from components.host import Script
from components.secrets import secret
from components.site import Site
from components.templates import render
from names import METRICS_SERVER, PLATFORM
from settings.kubernetes import KubernetesSettings

SCRIPTS = Path(__file__).parent / "scripts"
CHARTS = Path(__file__).resolve().parents[2] / "charts"
INGRESS_PORTS = {"http": (80, 30080), "https": (443, 30443)}
"""Port of the node, and node port of the Service where there is one (charts/ingress/values.yaml has the same)."""


def redirect(name: str, host: TrustedHost, *, parent: pulumi.Resource, after: Sequence[pulumi.Resource]) -> None:
    """Ports 80 and 443 of the node lead to ingress' node ports, after a reboot too."""
    files: dict[str, pulumi.Input[str]] = {}
    for port, node_port in INGRESS_PORTS.values():
        files[f"auto-devops-ingress-{port}.socket"] = render("k8s_node/templates/ingress.socket.j2", port=port)
        files[f"auto-devops-ingress-{port}.service"] = render(
            "k8s_node/templates/ingress.service.j2", address=host.address, node_port=node_port
        )
    host.run(
        f"{name}-redirect",
        Script(SCRIPTS / "redirect.sh", SCRIPTS / "unredirect.sh"),
        parent=parent,
        variables={"PORTS": " ".join(str(port) for port, _ in INGRESS_PORTS.values())},
        files=files,
        depends_on=after,
    )


@dataclass(frozen=True)
class Services:
    """The releases of our own charts. Each is a resource below `cluster`, the component, whose name is `name`.

    `address` is the control plane's, where ingress is.
    """

    name: str
    cluster: pulumi.Resource
    provider: pulumi.ProviderResource
    site: Site
    settings: KubernetesSettings
    address: str

    def make(self) -> None:
        """Registers all of them, and their namespace."""
        name, images, ca = self.name, self.settings.images, self.site.ca
        namespace = self._object("namespace", "Namespace", {"metadata": {"name": PLATFORM}})
        wildcard = ca.issue_server(
            f"{name}-wildcard", self.site.names.kubernetes_wildcards, [self.address], parent=self.cluster
        )
        metrics = ca.issue_server(f"{name}-metrics", [METRICS_SERVER], parent=self.cluster)
        self._release(
            "ingress",
            {
                "image": images.traefik,
                "defaultBackendImage": images.default_backend,
                "ports": "host" if self.settings.ingress_ports == "host" else "nodePort",
                "nodePorts": {scheme: node_port for scheme, (_, node_port) in INGRESS_PORTS.items()},
                "address": self.address,
                "defaultCertificate": {"secretName": "wildcard", "checksum": wildcard.chain.apply(checksum)},
            },
            after=[namespace, self._certificate("wildcard", wildcard, namespace)],
        )
        storage = {"image": images.local_path_provisioner, "helperImage": images.busybox}
        self._release("storage", storage, after=[namespace])
        self._release(
            "metrics",
            {
                "image": images.metrics_server,
                "certificate": {
                    "secretName": "metrics-server",
                    "checksum": metrics.chain.apply(checksum),
                    "authority": ca.certificate,
                },
            },
            after=[namespace, self._certificate("metrics-server", metrics, namespace)],
        )

    def _certificate(self, secret_name: str, certificate: Certificate, namespace: pulumi.Resource) -> pulumi.Resource:
        content = {
            "metadata": {"name": secret_name, "namespace": PLATFORM},
            "type": "kubernetes.io/tls",
            "stringData": {"tls.crt": certificate.chain, "tls.key": secret(certificate.key)},
        }
        return self._object(f"{secret_name}-certificate", "Secret", content, after=[namespace])

    def _object(
        self, role: str, kind: str, content: Mapping[str, Any], after: Sequence[pulumi.Resource] = ()
    ) -> pulumi.Resource:
        return ClusterObject(
            f"{self.name}-{role}",
            kind=kind,
            content=content,
            parent=self.cluster,
            provider=self.provider,
            after=after,
        )

    def _release(self, chart: str, values: Mapping[str, Any], *, after: Sequence[pulumi.Resource]) -> None:
        ChartRelease(
            f"{self.name}-{chart}",
            release=chart,
            namespace=PLATFORM,
            chart=CHARTS / chart,
            values=values,
            timeout=300,
            parent=self.cluster,
            provider=self.provider,
            after=after,
        )
