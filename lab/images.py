"""Images the lab's engine runs: a debootstrapped Debian, the machines on top of it, and any folder with a Dockerfile.

Each is named by the key of what it is made from; one that is there is not made again.
"""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from pathlib import Path

from docker.errors import ImageNotFound

from lab import apt, engine, paths
from lab.keys import content_key
from lab.steps import LabError, StepLog

BASE = "lab-base:bookworm"
"""The name that Dockerfiles below lab/mirror/images use for the base."""
PREFIX = "auto-devops-lab"
_MACHINES = paths.SOURCES / "machine"
_PARENTS = {"server": None, "resolved": "server", "workstation": "server", "mirror": "server"}


def base_tag() -> str:
    """The base image's name; its key also covers the code that makes it."""
    return f"{PREFIX}/base:{content_key(apt.sources_list(), apt.settings(), Path(__file__))}"


def machine_tag(kind: str) -> str:
    """Name of the image of the machines in lab/machine/`kind`."""
    parent = _PARENTS[kind]
    return f"{PREFIX}/{kind}:{content_key(machine_tag(parent) if parent else base_tag(), _MACHINES / kind)}"


def exists(tag: str) -> bool:
    """Whether the engine has the image."""
    try:
        engine.client().images.get(tag)
    except ImageNotFound:
        return False
    return True


def make_base(log: StepLog) -> str:
    """Bring up the base image: Debian's minimal system with the computer's own apt sources."""
    docker = engine.client(timeout=900)
    tag = base_tag()
    note = "already there"
    if not exists(tag):
        root = paths.BUILD / "base"
        remove_tree(root, log)
        root.mkdir(parents=True)
        log.awaiting("debootstrap")
        log.run(
            ["debootstrap", "--variant=minbase", "--include=ca-certificates"]
            + [apt.RELEASE, str(root), apt.debootstrap_uri()],
            env={"http_proxy": apt.proxy()} if apt.proxy() else None,
        )
        (root / "etc/apt/sources.list").write_text(apt.sources_list())
        (root / "etc/apt/apt.conf.d/50lab").write_text(apt.settings())
        # A machine of the lab is made anew rather than repaired: no need to wait for the disk after each file.
        (root / "etc/dpkg/dpkg.cfg.d/lab").write_text("force-unsafe-io\n")
        for left in ("etc/resolv.conf", "etc/hostname"):
            (root / left).unlink(missing_ok=True)
        for folder in ("var/cache/apt/archives", "var/lib/apt/lists"):
            for file in (root / folder).iterdir():
                if file.is_file():
                    file.unlink()
        log.awaiting("import of the base image")
        archive = paths.BUILD / "base.tar"
        log.run(["tar", "--numeric-owner", "-C", root, "-cf", archive, "."])
        with archive.open("rb") as file:
            docker.api.import_image_from_data(file, *_repository_and_tag(tag))
        archive.unlink()
        remove_tree(root, log)
        note = tag
    docker.images.get(tag).tag(BASE)
    return note


def make_machine(log: StepLog, kind: str) -> str:
    """Build the image of a kind of machine."""
    parent = _PARENTS[kind]
    base = machine_tag(parent) if parent else base_tag()
    return build(log, _MACHINES / kind, machine_tag(kind), {"BASE": base})


def build(log: StepLog, context: Path, tag: str, arguments: dict[str, str] | None = None) -> str:
    """Build the Dockerfile in `context` unless an image of that name is there."""
    if exists(tag):
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
            rm=True,
            forcerm=True,
            decode=True,
        )
        for event in events:
            for line in str(event.get("stream") or event.get("status") or "").splitlines():
                if line.strip():
                    log.awaiting(line.strip())
            if "error" in event:
                raise LabError(f"building {tag} from {context}: {event['error'].strip()}")
    return tag


def prune(log: StepLog) -> None:
    """Remove images of the lab that no longer match any source."""
    docker = engine.client()
    wanted = {base_tag(), BASE, *(machine_tag(kind) for kind in _PARENTS)}
    for image in docker.images.list():
        for tag in image.tags:
            repository = tag.rpartition(":")[0]
            if tag not in wanted and repository in {t.rpartition(":")[0] for t in wanted}:
                log.write(f"removing {tag}")
                docker.images.remove(tag, force=True)
    docker.images.prune(filters={"dangling": True})


def remove_tree(root: Path, log: StepLog) -> None:
    """Remove a root that debootstrap may have left mounts in."""
    for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
        point = line.split()[1]
        if point.startswith(f"{root}/"):
            log.run(["umount", "--lazy", point])
    shutil.rmtree(root, ignore_errors=not root.exists())


def _repository_and_tag(tag: str) -> tuple[str, str]:
    repository, _, version = tag.rpartition(":")
    return repository, version


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member
