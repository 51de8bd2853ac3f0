"""The engine, reached by the docker command line: what a job's containers, volumes and networks need of it.

Owns how they are labelled: by the labels those that a killed runner left are found again. Knows nothing of jobs.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .logs import RunnerError

LABEL = "com.gitlab.gitlab-runner"
_MANAGER = f"{LABEL}.manager"
_KEPT = f"{LABEL}.cache"


class DockerError(RunnerError):
    """The command line ended with a failure."""


class Docker:
    """One engine. `config` is a folder with the logins for pulls."""

    def __init__(self, host: str, system_id: str, config: Path | None = None) -> None:
        self._words = ["docker", *(["--config", str(config)] if config else []), "--host", host]
        self._system_id = system_id
        # What points the command line elsewhere must not come from the runner's own environment.
        self._environment = {key: value for key, value in os.environ.items() if not key.startswith("DOCKER_")}

    def run(self, *words: str) -> str:
        """Run a command; its output without the last line's end. A DockerError has what it said."""
        done = subprocess.run(
            [*self._words, *words],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            start_new_session=True,  # a signal for the runner is not one for what it runs
        )
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip() or f"status {done.returncode}"
            raise DockerError(f"docker {words[0]}: {said}")
        return done.stdout.decode(errors="replace").strip()

    def attach(self, container: str) -> subprocess.Popen[bytes]:
        """Start a container with its input and output attached; ends with the container's status."""
        return subprocess.Popen(
            [*self._words, "start", "--attach", "--interactive", container],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def inspect(self, kind: str, name: str) -> dict[str, Any] | None:
        """What the engine knows of an image, container, volume or network; None if there is none of that name."""
        try:
            (found,) = json.loads(self.run(kind, "inspect", name))
        except DockerError as problem:
            if "no such" in str(problem).lower() or "not found" in str(problem).lower():
                return None
            raise
        assert isinstance(found, dict)
        return found

    def labels(self, labels: Mapping[str, str]) -> list[str]:
        """The options that label something of a job."""
        every = {f"{LABEL}.managed": "true", _MANAGER: self._system_id}
        return [word for key, value in {**every, **labels}.items() for word in ("--label", f"{key}={value}")]

    def kept_volume(self, name: str) -> None:
        """Make a volume that outlives the job, unless it is there."""
        self.run("volume", "create", *self.labels({_KEPT: "true"}), name)

    def remove(
        self, containers: Iterable[str] = (), volumes: Iterable[str] = (), networks: Iterable[str] = ()
    ) -> list[str]:
        """Remove what is there of these; returns what could not be removed, and why."""
        failed = []
        for words, names in (
            (("rm", "--force", "--volumes"), list(containers)),
            (("volume", "rm", "--force"), list(volumes)),
            (("network", "rm"), list(networks)),
        ):
            try:
                if names:
                    self.run(*words, *names)
            except DockerError as problem:
                lines = str(problem).splitlines()
                failed += [line for line in lines if "no such" not in line.lower() and "not found" not in line.lower()]
        return failed

    def clean_up(self) -> tuple[int, list[str]]:
        """Remove what this runner's jobs left when it was killed; how much, and what could not be removed."""
        mine = f"label={_MANAGER}={self._system_id}"
        containers = self._listed("ps", "--all", "--quiet", "--filter", mine)
        networks = self._listed("network", "ls", "--quiet", "--filter", mine)
        all_volumes = self._listed("volume", "ls", "--quiet", "--filter", mine)
        kept = self._listed("volume", "ls", "--quiet", "--filter", mine, "--filter", f"label={_KEPT}")
        volumes = [name for name in all_volumes if name not in kept]
        return len(containers) + len(networks) + len(volumes), self.remove(containers, volumes, networks)

    def _listed(self, *words: str) -> list[str]:
        return self.run(*words).split()


def own_image(docker: Docker) -> str:
    """The image that this very process runs from: it is the helper image where none is set."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        # The engine mounts a file of its own folder of the container on /etc/hostname.
        words = line.split()
        if words[4] == "/etc/hostname" and "/containers/" in words[3]:
            found = docker.inspect("container", words[3].split("/")[-2])
            if found:
                return str(found["Image"])
    raise RunnerError("helper_image is not set, and the image that this runner runs from is not known: set it")


def credentials(sources: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Docker's config.json with the logins of several; the later ones win."""
    merged: dict[str, Any] = {}
    for source in sources:
        for kind in ("credsStore", "credHelpers"):
            if source.get(kind):
                raise RunnerError(f"DOCKER_AUTH_CONFIG has {kind}, which this stand-in does not support: use auths")
        merged |= source.get("auths") or {}
    return {"auths": merged}
