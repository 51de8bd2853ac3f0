"""The images that the jobs of a pipeline run in, by role, and the CI variables that name them."""

from __future__ import annotations

from collections.abc import Sequence

from settings.projects import Pipeline

_ROLES: dict[Pipeline, Sequence[str]] = {
    "auto": ("autoBuild", "autoDeploy", "go"),
    "custom": ("docker", "go", "kubernetes"),
}
IMAGE_VARIABLES = {
    "autoBuild": "IMAGE_AUTO_BUILD",
    "autoDeploy": "IMAGE_AUTO_DEPLOY",
    "docker": "IMAGE_DOCKER",
    "go": "IMAGE_GO",
    "kubernetes": "IMAGE_KUBERNETES",
}
"""The CI variable with the image of each role."""


def roles(pipeline: Pipeline) -> Sequence[str]:
    """The roles of the images that the jobs of a kind of pipeline run in; keys of `ci.images`."""
    return _ROLES[pipeline]
