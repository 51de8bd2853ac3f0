"""What every kind of runner has in common: its registrations, and what jobs find."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.docker_engine import TLS_PORT

CLIENT = "/certs/client"
"""Where jobs have the Docker client's certificate (Docker's own images expect it there)."""


@dataclass(frozen=True)
class Registration:
    """One runner that GitLab knows: what it is called, and the token that GitLab made for it."""

    name: str
    token: pulumi.Input[str]


def environment(domain: str) -> list[str]:
    """What leads a job's Docker client to the shared engine."""
    return [
        f"DOCKER_HOST=tcp://docker.{domain}:{TLS_PORT}",
        "DOCKER_TLS_VERIFY=1",
        f"DOCKER_CERT_PATH={CLIENT}",
    ]
