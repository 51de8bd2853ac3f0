"""gitlab-runner-helper: packs and unpacks artifacts and caches, inside the job's helper container."""

from __future__ import annotations

import argparse
import gzip
import os
import re
import secrets
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import urllib.parse
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from .api import GitLab
from .logs import RunnerError, error, log, warn

_TRIES = 3


def main(words: list[str] | None = None) -> int:
    """Run one command in the project's folder; returns the exit status."""
    parser = argparse.ArgumentParser(prog="gitlab-runner-helper", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    upload = commands.add_parser("artifacts-uploader", allow_abbrev=False)
    download = commands.add_parser("artifacts-downloader", allow_abbrev=False)
    for each in (upload, download):
        each.add_argument("--url", required=True)
        each.add_argument("--id", type=int, required=True)
    upload.add_argument("--artifact-type", default="archive")
    upload.add_argument("--artifact-format", default="zip", choices=("zip", "gzip", "raw"))
    upload.add_argument("--expire-in", default="")
    upload.add_argument("--name", default="")
    save = commands.add_parser("cache-archiver", allow_abbrev=False)
    save.add_argument("--file", required=True)
    for each in (upload, save):
        each.add_argument("--path", action="append", default=[])
        each.add_argument("--exclude", action="append", default=[])
        each.add_argument("--untracked", action="store_true")
    restore = commands.add_parser("cache-extractor", allow_abbrev=False)
    restore.add_argument("--file", action="append", required=True)
    chosen = parser.parse_args(words)
    try:
        match chosen.command:
            case "artifacts-uploader":
                _upload(chosen)
            case "artifacts-downloader":
                _download(chosen)
            case "cache-archiver":
                _save(chosen)
            case "cache-extractor":
                _restore([Path(file) for file in chosen.file])
    except (RunnerError, OSError, zipfile.BadZipFile) as problem:
        error(str(problem))
        return 1
    return 0


def select(paths: Sequence[str], exclude: Sequence[str], untracked: bool, root: Path) -> list[str]:
    """The files below `root` that the patterns name, sorted, relative to it; folders count with all in them."""
    found: set[str] = set()
    for pattern in paths:
        matched = _expand(pattern, root)
        if matched:
            log(f"{pattern}: found {len(matched)} matching artifact files and directories")
        else:
            warn(f"{pattern}: no matching files. Ensure that the artifact path is relative to the working directory")
        found |= matched
    if untracked:
        listed = subprocess.run(["git", "ls-files", "--others", "-z"], cwd=root, stdout=subprocess.PIPE, check=True)
        found |= {name for name in listed.stdout.decode().split("\0") if name}
    for pattern in exclude:
        found -= _expand(pattern, root)
    return sorted(found)


def pack(names: Sequence[str], root: Path, target: IO[bytes]) -> None:
    """Write a zip archive of files, with their modes and links."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in names:
            path = root / name
            status = path.lstat()
            # The format knows no dates before 1980.
            when = time.localtime(max(status.st_mtime, 315619200))[:6]
            entry = zipfile.ZipInfo(name + ("/" if stat.S_ISDIR(status.st_mode) else ""), when)
            entry.create_system = 3
            entry.external_attr = status.st_mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            if stat.S_ISLNK(status.st_mode):
                archive.writestr(entry, str(path.readlink()))
            elif stat.S_ISDIR(status.st_mode):
                archive.writestr(entry, b"")
            else:
                with path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as packed:
                    shutil.copyfileobj(source, packed)


def unpack(source: IO[bytes], root: Path) -> None:
    """Unpack a zip archive below `root`; a name that leads out of it is an error."""
    with zipfile.ZipFile(source) as archive:
        for entry in archive.infolist():
            target = root / entry.filename
            # The folder as it really is: an earlier entry may be a link.
            if not target.parent.resolve().is_relative_to(root.resolve()) or ".." in Path(entry.filename).parts:
                raise RunnerError(f"the archive has a name that leads out of the project: {entry.filename!r}")
            mode = entry.external_attr >> 16
            if entry.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_symlink() or target.exists():
                target.unlink()
            if stat.S_ISLNK(mode):
                target.symlink_to(archive.read(entry).decode())
                continue
            with archive.open(entry) as packed, target.open("wb") as file:
                shutil.copyfileobj(packed, file)
            if mode:
                target.chmod(stat.S_IMODE(mode))


def _expand(pattern: str, root: Path) -> set[str]:
    # GitLab takes absolute paths within the project, too.
    pattern = re.sub(rf"^{re.escape(str(root))}/?", "", pattern).rstrip("/").removeprefix("./")
    if pattern.startswith("/"):
        raise RunnerError(f"{pattern} leads out of the project")
    found: set[str] = set()
    for path in root.glob(pattern) if pattern not in ("", ".") else [root]:
        if not path.resolve().is_relative_to(root.resolve()):
            raise RunnerError(f"{pattern} leads out of the project")
        below = path.rglob("*") if path.is_dir() and not path.is_symlink() else ()
        found |= {str(each.relative_to(root)) for each in (path, *below) if each != root}
    # What git keeps for itself is no artifact of a job.
    return {name for name in found if name.split("/")[0] != ".git"}


def _upload(chosen: argparse.Namespace) -> None:
    root = Path.cwd()
    names = select(chosen.path, chosen.exclude, chosen.untracked, root)
    if not names:
        error("No files to upload")
        return
    suffix = {"zip": ".zip", "gzip": ".gz", "raw": ""}[chosen.artifact_format]
    name = (chosen.name or ("artifacts" if chosen.artifact_format == "zip" else chosen.artifact_type)) + suffix
    query = {"artifact_format": chosen.artifact_format, "artifact_type": chosen.artifact_type}
    if chosen.expire_in:
        query["expire_in"] = chosen.expire_in
    boundary = secrets.token_hex(16)
    quoted = name.replace('"', "_").replace("\n", "_")
    with tempfile.TemporaryFile() as body:
        body.write(
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n".encode()
        )
        with tempfile.TemporaryFile() as content:
            _write(names, root, chosen.artifact_format, content)
            content.seek(0)
            shutil.copyfileobj(content, body)
        body.write(f"\r\n--{boundary}--\r\n".encode())
        headers = {
            "JOB-TOKEN": os.environ["RUNNER_JOB_TOKEN"],
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(body.tell()),
        }
        path = f"/jobs/{chosen.id}/artifacts?{urllib.parse.urlencode(query)}"
        for attempt in range(_TRIES):
            body.seek(0)
            answer = _server(chosen.url).call("POST", path, body, headers, timeout=3600)
            if answer.status == 201:
                log(f'Uploading artifacts as "{chosen.artifact_type}" to coordinator... 201 Created', id=chosen.id)
                return
            if 400 <= answer.status < 500:
                break
            time.sleep(2**attempt)
    raise RunnerError(f"Uploading artifacts... {answer.status}: {answer.text}")


def _write(names: Sequence[str], root: Path, form: str, target: IO[bytes]) -> None:
    if form == "zip":
        pack(names, root, target)
        return
    files = [root / name for name in names if (root / name).is_file()]
    if form == "raw" and len(files) != 1:
        raise RunnerError(f"a raw artifact is one file; the patterns name {len(files)}")
    for file in files:
        with file.open("rb") as source:
            if form == "raw":
                shutil.copyfileobj(source, target)
            else:
                # One member for each file, as GitLab reads them.
                with gzip.GzipFile(file.name, "wb", fileobj=target) as packed:
                    shutil.copyfileobj(source, packed)


def _download(chosen: argparse.Namespace) -> None:
    headers = {"JOB-TOKEN": os.environ["RUNNER_JOB_TOKEN"], "Accept": "*/*"}
    for attempt in range(_TRIES):
        with tempfile.TemporaryFile() as content:
            answer = _server(chosen.url).call(
                "GET", f"/jobs/{chosen.id}/artifacts", None, headers, timeout=3600, into=content
            )
            if answer.status == 200:
                content.seek(0)
                unpack(content, Path.cwd())
                log("Downloading artifacts from coordinator... ok", id=chosen.id)
                return
        if 400 <= answer.status < 500:
            break
        time.sleep(2**attempt)
    raise RunnerError(f"Downloading artifacts from coordinator... {answer.status}: {answer.text}")


def _save(chosen: argparse.Namespace) -> None:
    names = select(chosen.path, chosen.exclude, chosen.untracked, Path.cwd())
    if not names:
        warn("No files to cache.")
        return
    target = Path(chosen.file)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as draft:
        try:
            pack(names, Path.cwd(), draft)
            Path(draft.name).rename(target)
        except BaseException:
            Path(draft.name).unlink(missing_ok=True)
            raise
    log("Created cache", files=len(names))


def _restore(files: Sequence[Path]) -> None:
    for file in files:
        if file.exists():
            with file.open("rb") as source:
                unpack(source, Path.cwd())
            log("Successfully extracted cache")
            return
    warn("No cache archive: this is the first job with its key")


def _server(url: str) -> GitLab:
    ca = os.environ.get("CI_SERVER_TLS_CA_FILE")
    return GitLab(url, Path(ca) if ca else None)


if __name__ == "__main__":
    sys.exit(main())
