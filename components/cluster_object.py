"""Kubernetes objects, without the SDK's classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi


class ClusterObject(pulumi.CustomResource):
    """A Kubernetes object, by its type token: the SDK's classes take 0.2 s to import, at every preview."""

    data: pulumi.Output[dict[str, str]]
    """The object's `data` as the cluster has it (of a Secret: base64)."""

    def __init__(
        self,
        name: str,
        *,
        kind: str,
        content: Mapping[str, Any],
        parent: pulumi.Resource,
        provider: pulumi.ProviderResource,
        version: str = "v1",
        after: Sequence[pulumi.Resource] = (),
    ) -> None:
        """`kind` and `version` are what `kind` and `apiVersion` are in a manifest, `content` is the rest of it."""
        group = version if "/" in version else f"core/{version}"
        super().__init__(
            f"kubernetes:{group}:{kind}",
            name,
            {"apiVersion": version, "kind": kind, "data": None, **content},
            pulumi.ResourceOptions(
                parent=parent,
                provider=provider,
                depends_on=[*after],
                # As the SDK's class has it: what the cluster puts into a Secret is not marked by any input.
                additional_secret_outputs=["data", "stringData"] if kind == "Secret" else None,
            ),
        )
