"""Fills the lab's mirror: builds the images below standins/ and pushes them under their upstream names.

Owns what is in the mirror's registry; the folders say how each image is made. What the mirror serves by HTTPS is
others': here is only how it gets there and how it is asked for.
"""

from __future__ import annotations

import http.client
import json
import shutil
import ssl
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from lab import base, engine, images, machines, originals, paths
from lab.inventory import LABEL, MIRROR, MIRROR_NAME
from lab.keys import content_key
from lab.steps import LabError, StepLog

PORT = 5000
ROOT = "/srv/mirror"
"""On the mirror: what it serves by HTTPS."""
_FOLDERS = (paths.STANDINS / "images", paths.STANDINS / "gitlab")
_KEY_LABEL = f"{LABEL}.key"
_NOT_OURS = ""


def image_folders() -> list[Path]:
    """The folders that each make one image."""
    return sorted(file.parent for folder in _FOLDERS for file in folder.glob("*/IMAGE"))


def upstream_name(folder: Path) -> str:
    """The image's name in the world, as docker.io/library/nginx:1.28-alpine."""
    return (folder / "IMAGE").read_text().strip()


def image_tag(folder: Path) -> str:
    """The image's name in the lab's engine, with its content key."""
    return f"{images.PREFIX}/mirror-{folder.name}:{content_key(base.tag(), folder)}"


def path_in_mirror(upstream: str) -> str:
    """Where the mirror has it: the registry's host name replaced, the path kept."""
    host, _, path = upstream.partition("/")
    if "." not in host or not path:
        raise LabError(f"{upstream!r} is no full image name", "write IMAGE as registry.host/path:tag")
    return f"{MIRROR.address}:{PORT}/{path}"


def fill(log: StepLog) -> str:
    """Build and push every image whose content key is not in the mirror yet."""
    made = [
        folder.name
        for folder in image_folders()
        if provide(log, upstream_name(folder), image_tag(folder), partial(copy_folder, log, folder))
    ]
    return f"made {', '.join(made)}" if made else "already filled"


def copy_folder(log: StepLog, folder: Path, context: Path) -> None:
    """Fill a build context with a folder, and with what its build.sh makes."""
    shutil.copytree(folder, context, dirs_exist_ok=True)
    if (folder / "build.sh").exists():
        log.run(["nice", "-n", "5", folder / "build.sh", context])


def provide(
    log: StepLog,
    upstream: str,
    tag: str,
    prepare: Callable[[Path], None],
    arguments: dict[str, str] | None = None,
) -> bool:
    """Build one image and push it under its upstream name, unless the mirror has it with the content key of `tag`.

    `prepare` fills the folder that it is built from. Where the lab takes the original instead, it is copied, unless the
    mirror has one: no name that the lab takes is given to another image later. Tells if there was something to do.
    """
    name, _, key = tag.rpartition(":")
    target = path_in_mirror(upstream)
    there = _key_in_mirror(target)
    if originals.takes(upstream):
        if there == _NOT_OURS:
            return False
        originals.pull(log, upstream, target, _trust())
        return True
    if there == key:
        return False
    log.awaiting(f"building {upstream}")
    if not engine.has_image(tag):
        context = paths.BUILD / name.rpartition("/")[2]
        shutil.rmtree(context, ignore_errors=True)
        context.mkdir(parents=True)
        prepare(context)
        images.build(log, context, tag, arguments, labels={_KEY_LABEL: key})
        shutil.rmtree(context)
    log.awaiting(f"pushing {upstream}")
    log.run(
        ["skopeo", "copy", "--quiet", "--src-daemon-host", f"unix://{paths.DOCKER_SOCKET}"]
        + ["--dest-cert-dir", str(_trust()), f"docker-daemon:{tag}", f"docker://{target}"]
    )
    return True


def publish(log: StepLog, tree: Path, name: str, key: str, fill: Callable[[StepLog], None], sample: str) -> bool:
    """Serve a folder of the cache by HTTPS under that name, and see that it is. Tells if the mirror had not had it.

    `fill` makes the folder where it is not there with the key; one of the files that match `sample` is asked for.
    """
    made = tree.parent / "stamp"
    if not made.exists() or made.read_text() != key:
        made.unlink(missing_ok=True)
        fill(log)
        made.write_text(key)
    copied = _copy(log, tree, name, key)
    served = min(tree.rglob(sample))
    check_serves(f"{name}/{served.relative_to(tree)}", served)
    return copied


def check_serves(name: str, file: Path) -> None:
    """A LabError if the mirror does not serve the file by HTTPS under that name."""
    if _download(name) != file.read_bytes():
        raise LabError(
            f"https://{MIRROR_NAME}/{name} is not what was put there",
            f"`make shell ON={MIRROR.name}` opens the mirror; the files are in {ROOT}",
        )


def _copy(log: StepLog, tree: Path, name: str, key: str) -> bool:
    target = machines.container(MIRROR)
    stamp = f"{ROOT}/.stamps/{name}"
    if target.exec_run(["cat", stamp]).output == key.encode():
        return False
    log.awaiting(f"copying {name} to the mirror")
    target.exec_run(["rm", "-rf", f"{ROOT}/{name}"])
    with tempfile.TemporaryFile() as packed:
        with tarfile.open(fileobj=packed, mode="w") as tar:
            tar.add(tree, arcname=f"{ROOT}/{name}", filter=_for_the_web)
        packed.seek(0)
        target.put_archive("/", packed)
    machines.put_files(target, {stamp: (key.encode(), 0o644)})
    return True


def _download(name: str) -> bytes:
    """What the mirror serves by HTTPS under that name."""
    trust = ssl.create_default_context(cafile=str(paths.MIRROR_CA))
    connection = http.client.HTTPSConnection(MIRROR.address, timeout=30, context=trust)
    try:
        connection.request("GET", f"/{name}", headers={"Host": MIRROR_NAME})
        answer = connection.getresponse()
        content = answer.read()
    except OSError as error:
        raise LabError(
            f"the mirror does not serve files by HTTPS: {error}",
            "if the lab was made from older sources, `make down` first",
        ) from None
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        raise LabError(
            f"https://{MIRROR_NAME}/{name} answers {answer.status} {answer.reason} instead of 200",
            f"`make shell ON={MIRROR.name}` opens the mirror; the files are in {ROOT}",
        )
    return content


def _for_the_web(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mode = 0o755 if member.isdir() else 0o644
    return member


def _key_in_mirror(target: str) -> str | None:
    """The key of the image that the mirror has under that name, _NOT_OURS if the lab has not built it, or None."""
    done = subprocess.run(
        ["skopeo", "inspect", "--cert-dir", str(_trust()), "--config", f"docker://{target}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return None
    labels = json.loads(done.stdout).get("config", {}).get("Labels") or {}
    return str(labels.get(_KEY_LABEL, _NOT_OURS))


def _trust() -> Path:
    """A folder with just the mirror's CA, as skopeo wants it."""
    folder = paths.LAB / "mirror-trust"
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / "ca.crt"
    if not copy.exists() or copy.read_bytes() != paths.MIRROR_CA.read_bytes():
        # In one go: another step's skopeo may be reading it.
        draft = folder / f"ca.{threading.get_ident()}.draft"
        shutil.copy(paths.MIRROR_CA, draft)
        draft.rename(copy)
    return folder
