"""Releases of Helm charts, without the SDK's class."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi

from settings.mirrors import MirrorSettings

PROJECT = Path(__file__).resolve().parents[1]
"""Where Pulumi.yaml is."""


def gitlab_charts(mirrors: MirrorSettings) -> dict[str, str]:
    """GitLab's chart repository, as the `repository` of a release.

    The computer that runs Pulumi reaches it, not the cluster. With a `caFile`, that is the only CA that its certificate
    may come from; without, those which that computer trusts.
    """
    ca_file = mirrors.gitlab_charts_ca_file
    return {"repo": mirrors.gitlab_charts, **({"caFile": str(ca_file)} if ca_file else {})}


def content_checksum(chart: Path) -> str:
    """SHA-256 of all files of a chart in a directory, with their names; without hidden ones, such as an editor's."""
    sum_ = hashlib.sha256()
    for file in sorted(chart.rglob("*")):
        inside = file.relative_to(chart)
        if file.is_file() and not any(part.startswith(".") for part in inside.parts):
            content = file.read_bytes()
            sum_.update(f"{inside.as_posix()}\0{len(content)}\0".encode() + content)
    return sum_.hexdigest()


class ChartRelease(pulumi.CustomResource):
    """A Helm release, by its type token: the SDK's class takes 0.13 s to import, at every preview."""

    def __init__(
        self,
        name: str,
        *,
        release: str,
        namespace: str,
        chart: str | Path,
        values: Mapping[str, Any],
        parent: pulumi.Resource,
        provider: pulumi.ProviderResource,
        version: str | None = None,
        repository: Mapping[str, str] | None = None,
        timeout: int = 600,
        after: Sequence[pulumi.Resource] = (),
    ) -> None:
        """`chart` is a directory of this project, or the name of a chart in `repository`; `timeout` is in seconds.

        A directory is given by its path from the project's, so that another clone wants the same. There the provider's
        plugin looks for it: Pulumi starts it in the project's directory (pulumi 3.259,
        sdk/go/common/resource/plugin/plugin.go).
        """
        if isinstance(chart, Path):
            # The provider notices another version of such a chart, but no other content (pulumi-kubernetes 4.33,
            # provider/pkg/provider/helm_release.go); and Helm lets every chart have values called `global`.
            values = {**values, "global": {"chartChecksum": content_checksum(chart)}}
            chart = f"./{chart.relative_to(PROJECT).as_posix()}"
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
