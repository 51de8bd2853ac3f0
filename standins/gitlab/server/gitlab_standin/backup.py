"""`gitlab-backup`: everything that the data volume keeps, in one archive; gitlab-secrets.json is not in it."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from gitlab_standin import VERSION
from gitlab_standin.database import Database
from gitlab_standin.settings import Settings


class BackupError(RuntimeError):
    """Why a backup can't be made or restored."""


def _parts(settings: Settings) -> dict[str, Path]:
    """The folders of an archive, and where they belong."""
    return {
        "repositories": settings.repositories,
        "artifacts": settings.artifacts,
        "lfs": settings.lfs_objects,
        "builds": settings.traces,
        "registry": settings.registry_storage,
    }


def create(settings: Settings, say: Callable[[str], None]) -> Path:
    """Make a backup; returns the archive."""
    moment = time.time()
    name = f"{int(moment)}_{time.strftime('%Y_%m_%d', time.gmtime(moment))}_{VERSION}"
    archive = settings.backups / f"{name}_gitlab_backup.tar"
    settings.backups.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.backups, prefix=".making-") as folder:
        work = Path(folder)
        say("Dumping main_database ... ")
        (work / "db").mkdir()
        database = Database(settings.database)
        database.copy_to(work / "db/database.sqlite3")
        database.close()
        information = {"gitlab_version": VERSION, "backup_created_at": name, "tar_version": "python"}
        (work / "backup_information.yml").write_text(yaml.safe_dump(information))
        draft = work / archive.name
        with tarfile.open(draft, "w") as tar:
            tar.add(work / "backup_information.yml", "backup_information.yml")
            tar.add(work / "db", "db")
            for part, place in _parts(settings).items():
                say(f"Dumping {part} ... ")
                if place.exists():
                    tar.add(place, part)
        draft.chmod(0o600)
        draft.rename(archive)
    say(f"Backup {name} is done.")
    say(
        "Warning: Your gitlab.rb and gitlab-secrets.json files contain sensitive data "
        "and are not included in this backup."
    )
    return archive


def restore(settings: Settings, name: str | None, say: Callable[[str], None]) -> None:
    """Replace the data with a backup's. Raises BackupError before anything is changed."""
    archives = sorted(settings.backups.glob("*_gitlab_backup.tar"))
    if name is None:
        if len(archives) != 1:
            raise BackupError(f"found {len(archives)} backups in {settings.backups}; name one with BACKUP=…")
        archive = archives[0]
    else:
        archive = settings.backups / f"{name.removesuffix('_gitlab_backup.tar')}_gitlab_backup.tar"
    if not archive.is_file():
        raise BackupError(f"the backup file {archive} does not exist")
    with tempfile.TemporaryDirectory(dir=settings.backups, prefix=".restoring-") as folder:
        work = Path(folder)
        say("Unpacking backup ... ")
        with tarfile.open(archive) as tar:
            # Its own archive: whoever can write there can write the data as well.
            tar.extractall(work)
        made_by = yaml.safe_load((work / "backup_information.yml").read_text())["gitlab_version"]
        if made_by != VERSION:
            raise BackupError(
                f"the backup was made by GitLab {made_by}; it can be restored by that version only, this is {VERSION}"
            )
        say("Restoring main_database ... ")
        settings.database.parent.mkdir(parents=True, exist_ok=True)
        for leftover in settings.database.parent.glob(f"{settings.database.name}-*"):
            leftover.unlink()
        (work / "db/database.sqlite3").replace(settings.database)
        for part, place in _parts(settings).items():
            say(f"Restoring {part} ... ")
            shutil.rmtree(place, ignore_errors=True)
            place.parent.mkdir(parents=True, exist_ok=True)
            if (work / part).exists():
                shutil.move(work / part, place)
            else:
                place.mkdir()
    say(f"Restore task is done: {archive.name}")


def backup_etc(settings: Settings) -> Path:
    """`gitlab-ctl backup-etc`: the configuration and secrets, beside themselves."""
    folder = settings.etc / "config_backup"
    folder.mkdir(mode=0o700, exist_ok=True)
    moment = time.time()
    archive = folder / f"gitlab_config_{int(moment)}_{time.strftime('%Y_%m_%d', time.gmtime(moment))}.tar"
    archive.touch(mode=0o600)
    with tarfile.open(archive, "w") as tar:
        tar.add(
            settings.etc,
            "etc/gitlab",
            filter=lambda member: None if member.name.startswith("etc/gitlab/config_backup") else member,
        )
    return archive
