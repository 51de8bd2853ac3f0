"""Kubernetes' own schemas, of the package kubernetes-validate: what an API server of that version would refuse.

Every object of the charts is of a kind that Kubernetes has built in. Of any other kind there is no schema, which is a
problem too: nothing passes unseen.
"""

from __future__ import annotations

from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]


def problems(item: dict[str, Any], version: str) -> list[str]:
    """What is wrong with an object; a field that Kubernetes does not know is wrong."""
    name = f"{item.get('kind')} {item.get('metadata', {}).get('name')}"
    try:
        kubernetes_validate.validate(item, version, strict=True)
    except kubernetes_validate.SchemaNotFoundError as error:
        return [f"{name}: {error.message}"]
    except kubernetes_validate.ValidationError as error:
        return [f"{name}: {'.'.join(str(key) for key in error.path)}: {error.message}"]
    return []
