"""Where downloads come from instead of upstream.

Owns the section `mirrors`, reading the CA that mirrors' certificates come from, and what components are told of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from settings import files
from settings.kinds import HttpsUrl, ImageRegistry, LocalPath, Section
from settings.problems import Report

GITLAB_CHARTS = "https://charts.gitlab.io"


class MirrorSettings(Section):
    """Where downloads come from instead of upstream."""

    images: dict[ImageRegistry, ImageRegistry] = Field(
        default_factory=dict, description="an upstream registry and the host (and path) that serves its images"
    )
    kubernetes: HttpsUrl = Field(
        "https://dl.k8s.io",
        description="Kubernetes' binaries, in the layout of this default",
        examples=["https://mirror.corp/k8s"],
    )
    cni: HttpsUrl = Field(
        "https://github.com/containernetworking/plugins/releases/download",
        description="the CNI plugins, in the layout of this default",
        examples=["https://mirror.corp/cni"],
    )
    gitlab_charts: HttpsUrl = Field(
        GITLAB_CHARTS,
        description="GitLab's Helm charts: a chart repository, which the computer that runs `pulumi up` reaches",
        examples=["https://mirror.corp/gitlab-charts"],
    )
    ca_certificate_file: LocalPath | None = Field(
        None,
        description="PEM file: the CA that the mirrors' certificates come from, if not a public one",
        examples=["~/ca/corp.crt"],
    )

    @property
    def gitlab_charts_ca_file(self) -> Path | None:
        """What a mirror of GitLab's charts is checked against; upstream's certificate is a public one."""
        return None if self.gitlab_charts == GITLAB_CHARTS else self.ca_certificate_file

    @property
    def docker_hub(self) -> list[str]:
        """The mirror of docker.io as engines take it (their own option cannot name any other registry)."""
        mirror = self.images.get("docker.io", "")
        # The engine refuses a mirror URL with a path; images of the stack itself do not need this option.
        return [f"https://{mirror}"] if mirror and "/" not in mirror else []


@dataclass(frozen=True)
class Downloads:
    """How everything that is downloaded is reached.

    `ca_certificate` is the PEM text of the CA that the mirrors' certificates come from, None for a public one;
    `docker_hub_mirrors` are the URLs that a Docker engine asks before docker.io.
    """

    mirrors: MirrorSettings
    ca_certificate: str | None
    docker_hub_mirrors: Sequence[str]

    def image(self, name: str) -> str:
        """`name` as it is pulled: through the mirror of its registry, if there is one."""
        registry, _, path = name.partition("/")
        return f"{self.mirrors.images.get(registry, registry)}/{path}"


def check(mirrors: MirrorSettings, report: Report) -> str | None:
    """The CA of the mirrors' certificates as PEM, where one is named and can be read."""
    if not mirrors.ca_certificate_file:
        return None
    found = files.certificates(mirrors.ca_certificate_file, "mirrors.caCertificateFile", report)
    return "".join(map(files.pem, found)) or None
