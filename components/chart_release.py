"""Releases of Helm charts, without the SDK's class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from settings.mirrors import MirrorSettings


def gitlab_charts(mirrors: MirrorSettings) -> dict[str, str]:
    """GitLab's chart repository, as the `repository` of a release.

    The computer that runs Pulumi reaches it, not the cluster. With a `caFile`, that is the only CA that its certificate
    may come from; without, those which that computer trusts.
    """
    ca_file = mirrors.gitlab_charts_ca_file
    return {"repo": mirrors.gitlab_charts, **({"caFile": str(ca_file)} if ca_file else {})}


class ChartRelease(pulumi.CustomResource):
    """A Helm release, by its type token: the SDK's class takes 0.13 s to import, at every preview."""

    def __init__(
        self,
        name: str,
        *,
        release: str,
        namespace: str,
        chart: str,
        values: Mapping[str, Any],
        parent: pulumi.Resource,
        provider: pulumi.ProviderResource,
        version: str | None = None,
        repository: Mapping[str, str] | None = None,
        timeout: int = 600,
        after: Sequence[pulumi.Resource] = (),
    ) -> None:
        """`chart` is a directory, or the name of a chart in `repository`; `timeout` is in seconds."""
        super().__init__(
            "kubernetes:helm.sh/v3:Release",
            name,
            {
                "chart": chart,
                # What the SDK's class always says (pulumi_kubernetes 4, helm/v3/Release.py).
                "compat": "true",
                "name": release,
                "namespace": namespace,
                "repositoryOpts": repository,
                "timeout": timeout,
                "values": values,
                "version": version,
            },
            pulumi.ResourceOptions(parent=parent, provider=provider, depends_on=[*after]),
        )
