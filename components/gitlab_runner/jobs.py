"""What every kind of runner has in common: its tokens, and the environment of its jobs."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from names import Names

CLIENT = "/certs/client"
"""Where jobs have the Docker client's certificate (Docker's own images expect it there)."""


@dataclass(frozen=True)
class RunnerToken:
    """The authentication token that GitLab issued for a runner, and the runner's name."""

    name: str
    token: pulumi.Output[str]


def environment(names: Names) -> list[str]:
    """The environment variables that point a job's Docker client at the shared engine."""
    return [f"DOCKER_HOST={names.docker_endpoint}", "DOCKER_TLS_VERIFY=1", f"DOCKER_CERT_PATH={CLIENT}"]
