"""What every kind of runner has in common: its tokens, and what jobs find."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from names import Names

CLIENT = "/certs/client"
"""Where jobs have the Docker client's certificate (Docker's own images expect it there)."""


@dataclass(frozen=True)
class RunnerToken:
    """What a runner process proves with that it is a runner that GitLab knows, and what it calls that runner itself."""

    name: str
    token: pulumi.Output[str]


def environment(names: Names) -> list[str]:
    """What leads a job's Docker client to the shared engine."""
    return [f"DOCKER_HOST={names.docker_endpoint}", "DOCKER_TLS_VERIFY=1", f"DOCKER_CERT_PATH={CLIENT}"]
