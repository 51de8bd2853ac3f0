"""The runner, and the images that its jobs run in.

Owns the section `ci`. That a runner or an agent needs a cluster is between sections: see `placement.py`.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field

from settings.kinds import Image, Section, Version, matching
from settings.mirrors import Downloads

GoProxy = Annotated[
    str,
    matching(
        r"(https?://[^\s,|]+|direct|off)([,|](https?://[^\s,|]+|direct|off))*",
        "what Go's GOPROXY may be: URLs, direct or off, with commas between them",
    ),
]
Tag = Annotated[str, matching(r"(?=\S)[^,\n]{1,255}(?<=\S)", "a tag, without commas, of at most 255 characters")]
_GITLAB_REGISTRY = "registry.gitlab.com"
# The runner puts its version in.
_VERSION = "${CI_RUNNER_VERSION}"
_HELPER = f"{_GITLAB_REGISTRY}/gitlab-org/gitlab-runner/gitlab-runner-helper:x86_64-v{_VERSION}"


class CiImages(Section):
    """The images of the runner and its jobs, with their upstream names."""

    go: Image = Field("docker.io/library/golang:1.26-bookworm", description="tests and compiles Go; gets the CA")
    docker: Image = Field("docker.io/library/docker:28-cli", description="builds and pushes images; gets the CA")
    kubernetes: Image = Field("docker.io/alpine/k8s:1.36.3", description="kubectl and helm; gets the CA")
    auto_build: Image = Field(
        "registry.gitlab.com/gitlab-org/cluster-integration/auto-build-image:v4.8.0",
        description="Auto DevOps' build; gets the CA",
    )
    auto_deploy: Image = Field(
        "registry.gitlab.com/gitlab-org/cluster-integration/auto-deploy-image:v2.120.0",
        description="Auto DevOps' deployment; gets the CA",
    )
    runtime: Image = Field(
        "docker.io/library/debian:bookworm-slim", description="what the sample services' own images are based on"
    )
    runner: Image = Field("docker.io/gitlab/gitlab-runner:v19.4.0", description="the runner")
    agent: Image = Field(
        "registry.gitlab.com/gitlab-org/cluster-integration/gitlab-agent/agentk:v19.4.0",
        description="GitLab's agent, of GitLab's own version or one minor version from it",
    )
    helper: Image | None = Field(
        None,
        description="the runner's helper, which clones; none: that of the runner's version, from registry.gitlab.com",
    )

    @property
    def bases(self) -> list[str]:
        """What jobs' images are made from and what their builds begin with."""
        return [self.go, self.docker, self.kubernetes, self.auto_build, self.auto_deploy, self.runtime]


class CiSettings(Section):
    """The runner and the images that its jobs run in."""

    runner: Literal["docker", "kubernetes"] = Field(
        "docker",
        description="where jobs run: docker, in containers on GitLab's machine; kubernetes, in pods of the cluster",
    )
    runner_chart: Version = Field(
        "0.93.0",
        description="the version of GitLab's chart gitlab-runner, for a runner in the cluster",
        examples=["0.93.0"],
    )
    cluster_link: Literal["kubeconfig", "agent"] = Field(
        "kubeconfig",
        description="how pipelines reach the cluster: kubeconfig, by its API's address and a token in a CI variable; "
        "agent, through GitLab and an agent in the cluster, with no token of the cluster's in GitLab",
    )
    agent_chart: Version = Field(
        "2.32.0", description="the version of GitLab's chart gitlab-agent, for the agent", examples=["2.32.0"]
    )
    images: CiImages = Field(
        default_factory=lambda: CiImages.model_validate({}), description="the images, with their upstream names"
    )
    concurrent: int = Field(
        4, ge=1, le=100, description="how many jobs run at once; in the cluster, of each project", examples=[4]
    )
    tags: list[Tag] = Field(
        default_factory=list,
        description="tags of the projects' runners, for pipelines whose jobs ask for one by `tags`; "
        "jobs that ask for none are theirs, too",
        examples=['["docker"]'],
    )
    go_proxy: GoProxy | None = Field(
        None,
        description="where jobs and image builds get Go modules from (GOPROXY); none: Go's own default",
        examples=["https://mirror.corp/go"],
    )

    def helper_image(self, downloads: Downloads) -> str | None:
        """The runner's helper as it is pulled, where the runner itself cannot know: it asks registry.gitlab.com."""
        if self.images.helper:
            return downloads.image(self.images.helper)
        return downloads.image(_HELPER) if _GITLAB_REGISTRY in downloads.mirrors.images else None

    def helper_images(self, downloads: Downloads) -> list[str]:
        """The runner's helper by each name that it may have on a machine, where the runner's tag has its version."""
        image, version = self.helper_image(downloads) or _HELPER, re.search(r"\d+\.\d+\.\d+", self.images.runner)
        if _VERSION not in image:
            return [image]
        images = [image, image.replace("x86_64", "arm64")]
        return [each.replace(_VERSION, version[0]) for each in images] if version else []

    def pipeline_images(self, downloads: Downloads) -> list[str]:
        """`images.bases`, as they are pulled."""
        return [downloads.image(image) for image in self.images.bases]
