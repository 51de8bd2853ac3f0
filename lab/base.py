"""The base images: Debian's minimal system, made by debootstrap with the computer's own apt sources; one a release.

Everything else that the lab's engine runs is built on the one of Debian 12; that of another release is there once a
machine of it is. An image's name has the key of this file and of the release's sources.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from lab import apt, engine, paths
from lab.inventory import BOOKWORM
from lab.keys import content_key
from lab.steps import StepLog


def tag(release: str = BOOKWORM) -> str:
    """The image's name."""
    return f"auto-devops-lab/base:{content_key(apt.sources_list(release), apt.settings(), Path(__file__))}"


def make(log: StepLog, release: str = BOOKWORM) -> str:
    """Make the image unless it is there. It is called `lab-base:RELEASE`, too, which Dockerfiles begin with."""
    docker = engine.client(timeout=900)
    name = tag(release)
    note = "already there"
    if not engine.has_image(name):
        paths.BUILD.mkdir(parents=True, exist_ok=True)
        for abandoned in paths.BUILD.glob(f"base-{release}-*"):
            remove_tree(abandoned, log)
        # A folder of its own: the debootstrap of a run that was killed may still be writing into the last one.
        root = Path(tempfile.mkdtemp(prefix=f"base-{release}-", dir=paths.BUILD))
        root.chmod(0o755)
        log.awaiting("debootstrap")
        log.run(
            ["debootstrap", "--variant=minbase", "--include=ca-certificates"]
            + [release, str(root), apt.debootstrap_uri(release)],
            env={"http_proxy": apt.proxy()} if apt.proxy() else None,
        )
        (root / "etc/apt/sources.list").write_text(apt.sources_list(release))
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
        archive = paths.BUILD / f"base-{release}.tar"
        log.run(["tar", "--numeric-owner", "-C", root, "-cf", archive, "."])
        repository, _, version = name.partition(":")
        docker.api.import_image_from_file(str(archive), repository, version)
        archive.unlink()
        remove_tree(root, log)
        note = name
    docker.images.get(name).tag(f"lab-base:{release}")
    return note


def remove_tree(root: Path, log: StepLog) -> None:
    """Remove a root that an interrupted debootstrap may have left mounts in."""
    engine.unmount_below(root, log)
    if root.exists():
        shutil.rmtree(root)
