"""A Helm chart repository, as releases name it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pulumi_kubernetes as kubernetes


@dataclass(frozen=True)
class ChartRepository:
    """`url` is reached by the computer that runs Pulumi, not by the cluster.

    `ca_file` (PEM) is then the only CA that its certificate may come from; none: those which that computer trusts.
    """

    url: str
    ca_file: Path | None = None

    def options(self) -> kubernetes.helm.v3.RepositoryOptsArgs:
        """The `repository_opts` of a release."""
        return kubernetes.helm.v3.RepositoryOptsArgs(repo=self.url, ca_file=str(self.ca_file) if self.ca_file else None)
