"""The registry and the Docker engine that everyone shares.

Owns the sections `docker` and `registry`; neither has a rule beyond each value's own. Does not own the machine that
they are on: see `placement.py`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from settings.kinds import Calendar, HttpsUrl, Image, LoginName, Section, matching

Storage = Annotated[str, matching(r"[1-9]\d*(MB|GB|TB)", "a size such as 10GB")]


class PruneSettings(Section):
    """What the registry machine's engine, in which every pipeline builds, does not keep."""

    enabled: bool = Field(
        True, description="false keeps every image that was ever built or pulled there", examples=["true"]
    )
    schedule: Calendar = Field(
        "*-*-* 04:30:00", description="a systemd calendar expression", examples=["*-*-* 04:30:00"]
    )
    keep_days: int = Field(
        7,
        ge=1,
        le=3650,
        description="images that came there longer ago go, unless a container has them or the platform needs them",
        examples=[7],
    )
    keep_storage: Storage = Field("10GB", description="how much build cache stays", examples=["10GB"])


class DockerSettings(Section):
    """The Docker engines."""

    unprotected_tcp_2375: bool = Field(
        False,
        alias="unprotectedTcp2375",
        description="true also opens plain TCP 2375: anyone who can reach the registry machine becomes its root",
        examples=["false"],
    )
    registry_mirrors: list[HttpsUrl] = Field(
        default_factory=list,
        description="mirrors of docker.io for the engines; empty: the one under mirrors.images, if any",
        examples=['["https://mirror.corp:5000"]'],
    )
    prune: PruneSettings = Field(
        default_factory=lambda: PruneSettings.model_validate({}),
        description="what the registry machine's engine does not keep of pushes",
    )


class RegistryImages(Section):
    """The images of the registry host."""

    registry: Image = Field(
        "docker.io/library/registry:3.0.0", description="the registry", examples=["docker.io/library/registry:3.0.0"]
    )
    ui: Image = Field(
        "docker.io/joxit/docker-registry-ui:2.5.7",
        description="the registry's web page",
        examples=["docker.io/joxit/docker-registry-ui:2.5.7"],
    )
    nginx: Image = Field(
        "docker.io/library/nginx:1.28-alpine",
        description="TLS in front of both",
        examples=["docker.io/library/nginx:1.28-alpine"],
    )


class LoginSettings(Section):
    """Who may use the registry."""

    username: LoginName = Field(description="the login's name", examples=["ci"])
    password: SecretStr = Field(
        min_length=8, max_length=72, description="at least 8 characters (bcrypt reads 72), as a secret"
    )


class GarbageCollection(Section):
    """When the registry frees the space of what was deleted."""

    schedule: Calendar = Field(
        "*-*-* 03:30:00", description="a systemd calendar expression", examples=["*-*-* 03:30:00"]
    )
    delete_untagged: bool = Field(
        True, description="also remove manifests that no tag names any more", examples=["true"]
    )


class RegistrySettings(Section):
    """The registry, its page and nginx."""

    host: str = Field(
        description="the machine that the registry and the shared Docker engine run on", examples=["registry"]
    )
    images: RegistryImages = Field(
        default_factory=lambda: RegistryImages.model_validate({}), description="the images, with their upstream names"
    )
    login: LoginSettings | None = Field(None, description="none: everyone who reaches the registry may pull and push")
    ui_title: str = Field(
        "Docker Registry", min_length=1, max_length=80, description="the page's title", examples=["Docker Registry"]
    )
    allow_deletion: bool = Field(True, description="whether images can be deleted, by API and page", examples=["true"])
    garbage_collection: GarbageCollection = Field(
        default_factory=lambda: GarbageCollection.model_validate({}), description="when space is freed"
    )
