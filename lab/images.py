"""Images that the lab's engine builds: those of the machines, and of any other folder with a Dockerfile.

Each is named by the key of what it is made from; one that is there is not made again.
"""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path

from lab import apt, base, engine, paths
from lab.keys import content_key
from lab.steps import LabError, StepLog

PREFIX = "auto-devops-lab"
_MACHINES = paths.SOURCES / "machine"
_PARENTS = {"server": None, "resolved": "server", "workstation": "server", "mirror": "server"}


def machine_tag(kind: str) -> str:
    """Name of the image of the machines in lab/machine/`kind`."""
    parent = _PARENTS[kind]
    return f"{PREFIX}/{kind}:{content_key(machine_tag(parent) if parent else base.tag(), _MACHINES / kind)}"


def make_machine(log: StepLog, kind: str) -> str:
    """Build the image of a kind of machine."""
    parent = _PARENTS[kind]
    below = machine_tag(parent) if parent else base.tag()
    return build(log, _MACHINES / kind, machine_tag(kind), {"BASE": below})


def build(
    log: StepLog,
    context: Path,
    tag: str,
    arguments: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
) -> str:
    """Build the Dockerfile in `context` unless an image of that name is there."""
    if engine.has_image(tag):
        return "already there"
    # Docker's predefined build arguments, and the one the mirror's Dockerfiles know.
    proxy = {"http_proxy": apt.proxy(), "APT_PROXY": apt.proxy()} if apt.proxy() else {}
    with tempfile.TemporaryFile() as packed:
        with tarfile.open(fileobj=packed, mode="w") as tar:
            tar.add(context, arcname=".", filter=_as_root)
        packed.seek(0)
        events = engine.client(timeout=1800).api.build(
            fileobj=packed,
            custom_context=True,
            tag=tag,
            buildargs={**proxy, **(arguments or {})},
            # The engine has no network of its own for builds; the computer's reaches the package registries.
            network_mode="host",
            labels=labels or {},
            rm=True,
            forcerm=True,
            decode=True,
        )
        for event in events:
            for line in str(event.get("stream") or event.get("status") or "").splitlines():
                if line.strip():
                    log.awaiting(line)
            if "error" in event:
                raise LabError(f"building {tag} from {context}: {event['error'].strip()}")
    return tag


def prune(log: StepLog, wanted: set[str]) -> None:
    """Remove the lab's images that no source describes any more."""
    docker = engine.client()
    wanted = wanted | {base.tag()} | {machine_tag(kind) for kind in _PARENTS}
    for image in docker.images.list():
        for tag in image.tags:
            if tag.startswith(f"{PREFIX}/") and tag not in wanted:
                log.write(f"removing {tag}")
                docker.images.remove(tag, force=True)
    docker.images.prune(filters={"dangling": True})


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member
