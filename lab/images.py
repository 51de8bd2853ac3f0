"""Images that the lab's engine builds: those of the machines, and of any other folder with a Dockerfile.

Each is named by the key of what it is made from; one that is there is not made again.
"""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from lab import apt, base, engine, paths
from lab.inventory import BOOKWORM, MACHINES, SPARES
from lab.keys import content_key
from lab.steps import LabError, Plan, StepLog

PREFIX = "auto-devops-lab"
_MACHINES = paths.SOURCES / "machine"
_ROOT = "server"
"""The kind that all others are built on."""


def machine_tag(kind: str, release: str = BOOKWORM) -> str:
    """Name of the image of the machines in lab/machine/`kind` with that release of Debian."""
    name = kind if release == BOOKWORM else f"{kind}-{release}"
    return f"{PREFIX}/{name}:{content_key(_below(kind, release), _MACHINES / kind)}"


def make_machine(log: StepLog, kind: str, release: str = BOOKWORM) -> str:
    """Build the image of a kind of machine."""
    return build(log, _MACHINES / kind, machine_tag(kind, release), {"BASE": _below(kind, release)})


def add_steps(plan: Plan, kind: str, release: str, after: Sequence[str] = ()) -> str:
    """Add the steps that make a kind's image and all that it is built on, as far as the plan has none yet.

    Returns the last one's name.
    """
    suffix = "" if release == BOOKWORM else f" {release}"
    if kind == _ROOT:
        below = f"base image{suffix}"
        if below not in plan.names():
            plan.add(below, partial(base.make, release=release), after)
    else:
        below = add_steps(plan, _ROOT, release, after)
    name = f"image {kind}{suffix}"
    if name not in plan.names():
        plan.add(name, partial(make_machine, kind=kind, release=release), [below])
    return name


def _below(kind: str, release: str) -> str:
    return base.tag(release) if kind == _ROOT else machine_tag(_ROOT, release)


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
    made = {(each.image, each.release) for each in (*MACHINES, *SPARES)}
    releases = {release for _, release in made}
    wanted = wanted | {base.tag(release) for release in releases}
    wanted |= {machine_tag(*each) for each in made | {(_ROOT, release) for release in releases}}
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
