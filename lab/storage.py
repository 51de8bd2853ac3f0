"""Where the lab's files are, so that all of them can be kept and brought back in a moment, however many they are.

Everything of the lab that changes (the engine's data with the machines in it, the mirror's registry, the running lab's
own directory) is in one file system, which is one file: `lab.img`. It lies on a sparse XFS disk in the cache, where two
files share their blocks until one of them is written (`cp --reflink`): a state is such a copy. The places in
lab/paths.py are bind mounts of its folders. Where loop devices or XFS cannot be had, the same folders are plain ones,
and a state is a copy of every file.

Owns `storage/` in the cache, its mounts and loop devices. Knows nothing of machines; what a state means is
lab/states.py's business.

Why not btrfs: Docker inside the machines would choose its btrfs driver there, unlike on users' machines. Direct I/O of
the loop devices (losetup(8)): nothing is kept in memory twice; measured here, writing is three times as fast with it.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import engine, paths
from lab.steps import LabError, Plan, StepLog

# Sparse: what they may grow to. States share what they have in common.
_DISK_SIZE = "200G"
_IMAGE_SIZE = "100G"
_FREE_WANTED = 3 * 2**30
"""Bytes that the computer's own disk must have left for another state: a full one would break the lab's disk."""
# Folder of the file system -> where the lab sees it. `lab` comes last: it is what tells that there is a lab.
_PLACES = {
    "docker": paths.DOCKER_DATA,
    "containerd": paths.CONTAINERD_DATA,
    "registry": paths.MIRROR_REGISTRY,
    "lab": paths.LAB,
}


def copies_in_a_moment() -> bool:
    """Whether the lab's files are on a disk that shares blocks; otherwise every file is copied."""
    return paths.DISK.exists()


def attached() -> bool:
    """Whether the lab's files are in place."""
    return all(_in_place(name) for name in _PLACES)


def in_use() -> bool:
    """Whether anything of it is mounted."""
    places = {str(place) for place in _PLACES.values()}
    return any(point in places or Path(point).is_relative_to(paths.STORAGE) for point in _mount_points())


def provide(again: str) -> None:
    """Put the lab's files in place before anything uses them, and say so where there was something to do."""
    if attached():
        _thaw()
        return
    plan = Plan(again, logs=paths.STORAGE_LOGS)
    plan.add("disk", attach)
    plan.run()


def put_away(again: str) -> None:
    """Remove the running lab's own directory, and take the rest out of sight: caches stay."""

    def remove(log: StepLog) -> None:
        for each in paths.LAB.iterdir() if paths.LAB.exists() else ():
            shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()
        detach(log)

    plan = Plan(again, logs=paths.STORAGE_LOGS)
    plan.add("put disk away", remove)
    plan.run()


def attach(log: StepLog) -> str:
    """Put the lab's files in place, made where they are not there yet; returns a note for people.

    Files of a lab from before there was a disk are moved onto it. Continues what was interrupted.
    """
    if not _in_place("lab") and engine.processes():
        return "the lab that runs is from before there was a disk: it gets one after `make down`"
    if _aside(paths.LIVE).exists() and not paths.LIVE.exists():
        # A load was interrupted between taking the old files away and putting the new ones there.
        _aside(paths.LIVE).rename(paths.LIVE)
    note = _provide_disk(log)
    if copies_in_a_moment():
        _mount_disk(log)
        if not paths.IMAGE.exists():
            draft = paths.IMAGE.with_suffix(".draft")
            draft.unlink(missing_ok=True)
            log.run(["truncate", "--size", _IMAGE_SIZE, draft])
            log.run(["mkfs.ext4", "-q", "-m", "0", "-E", "nodiscard", draft])
            draft.rename(paths.IMAGE)
        _mount_image(log)
    moved = _bind(log)
    if moved:
        note = f"{note}; moved there: {', '.join(moved)}".removeprefix("; ")
    return note


def detach(log: StepLog) -> None:
    """Take the lab's files away again: mounts, loop devices, mount points. What is in the files stays."""
    _detach_image(log)
    _unmount(log, paths.DISK_MOUNT)
    for place in _PLACES.values():
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()


def save(log: StepLog, name: str) -> None:
    """Keep a copy of the lab's files under that name. Files that are written meanwhile must not matter where every
    file is copied; otherwise the copy is of one moment.
    """
    free = shutil.disk_usage(paths.STORAGE).free
    if free < _FREE_WANTED and copies_in_a_moment():
        # Not all that is removed there is given back at once (seen: 31 of 97 GiB were not).
        log.run(["fstrim", paths.DISK_MOUNT])
        free = shutil.disk_usage(paths.STORAGE).free
    if free < _FREE_WANTED:
        raise LabError(
            f"the disk of {paths.STORAGE} has {free / 2**30:.1f} GiB left, which is too little for another state",
            "free some space there (`python -m lab states` lists the states, `forget NAME` removes one)",
        )
    copy = _copies() / name
    copy.parent.mkdir(parents=True, exist_ok=True)
    if copies_in_a_moment():
        log.run([paths.SOURCES / "copy_frozen.sh", paths.LIVE, paths.IMAGE, copy])
        log.run(["sync", "--file-system", paths.DISK_MOUNT])
        return
    draft = copy.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    log.awaiting("the copy of every file: there is no disk that shares blocks")
    log.run(["cp", "--archive", "--reflink=auto", paths.LIVE, draft])
    draft.rename(copy)


def load(log: StepLog, name: str) -> None:
    """Replace the lab's files by the copy of that name, and put them in place. The lab's processes have ended before.

    Interrupted, it leaves either the old files or the new ones.
    """
    with disk(log):
        copy = _copies() / name
        if not copy.exists():
            raise LabError(f"{copy} is not there", f"`python -m lab forget {name}`, then save it anew")
        _detach_image(log)
        if copies_in_a_moment():
            draft = paths.IMAGE.with_suffix(".draft")
            log.run(["cp", "--reflink=always", copy, draft])
            draft.rename(paths.IMAGE)
        else:
            draft, before = paths.LIVE.with_suffix(".draft"), _aside(paths.LIVE)
            for left in (draft, before):
                shutil.rmtree(left, ignore_errors=True)
            log.awaiting("the copy of every file: there is no disk that shares blocks")
            log.run(["cp", "--archive", "--reflink=auto", copy, draft])
            if paths.LIVE.exists():
                paths.LIVE.rename(before)
            draft.rename(paths.LIVE)
            shutil.rmtree(before, ignore_errors=True)
        attach(log)


def keep_only(log: StepLog, names: set[str]) -> None:
    """Remove every copy but those with these names."""
    with disk(log):
        for each in _copies().iterdir() if _copies().exists() else ():
            if each.name not in names:
                log.write(f"removing {each}")
                shutil.rmtree(each) if each.is_dir() else each.unlink()


def used() -> int:
    """Bytes that the lab's files and all states take on the computer's own disk; 0 where every file is copied."""
    return paths.DISK.stat().st_blocks * 512 if paths.DISK.exists() else 0


@contextmanager
def disk(log: StepLog) -> Iterator[None]:
    """The disk, mounted for the time being where it is not anyway."""
    if not copies_in_a_moment() or str(paths.DISK_MOUNT) in _mount_points():
        yield
        return
    _mount_disk(log)
    try:
        yield
    finally:
        if str(paths.LIVE) not in _mount_points():
            _unmount(log, paths.DISK_MOUNT)


def _copies() -> Path:
    return (paths.DISK_MOUNT if copies_in_a_moment() else paths.STORAGE) / "copies"


def _aside(folder: Path) -> Path:
    return folder.with_suffix(".before")


def _provide_disk(log: StepLog) -> str:
    """Make the disk unless it is there, or was not to be had when plain folders were begun."""
    if copies_in_a_moment() or (paths.LIVE.exists() and any(paths.LIVE.iterdir())):
        return ""
    paths.DISK_MOUNT.mkdir(parents=True, exist_ok=True)
    draft = paths.DISK.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    try:
        log.run(["truncate", "--size", _DISK_SIZE, draft])
        log.run(["mkfs.xfs", "-q", "-m", "reflink=1", draft])
        _mount_file(log, draft, paths.DISK_MOUNT, "discard")
        try:
            probe = paths.DISK_MOUNT / "probe"
            probe.write_text("shared")
            log.run(["cp", "--reflink=always", probe, probe.with_suffix(".copy")])
            probe.unlink()
            probe.with_suffix(".copy").unlink()
        finally:
            _unmount(log, paths.DISK_MOUNT)
    except (LabError, OSError) as error:
        draft.unlink(missing_ok=True)
        return f"no disk that shares blocks ({log.awaited or error}): states are copies of every file, in minutes"
    draft.rename(paths.DISK)
    return f"a disk for the lab's files: {paths.DISK}"


def _mount_disk(log: StepLog) -> None:
    _mount_file(log, paths.DISK, paths.DISK_MOUNT, "discard")


def _mount_image(log: StepLog) -> None:
    _mount_file(log, paths.IMAGE, paths.LIVE, "discard")


def _mount_file(log: StepLog, file: Path, point: Path, options: str) -> None:
    if str(point) in _mount_points():
        return
    point.mkdir(parents=True, exist_ok=True)
    try:
        # Where a process still looks into the last mount, the device is still there: two of them would be at odds.
        device = log.run(["losetup", "--find", "--show", "--nooverlap", "--direct-io=on", file]).split()[-1]
        log.run(["mount", "--options", options, device, point])
        # From now on it goes with the mount.
        log.run(["losetup", "--detach", device])
        # What the engine mounts below one of the places is not to appear in the others too.
        log.run(["mount", "--make-private", point])
    except LabError as error:
        raise LabError(
            f"the lab's disk cannot be mounted: {error}",
            f"see what `losetup --list` and `dmesg` say; without {file} all of it is made anew, and states are gone",
        ) from error


def _bind(log: StepLog) -> list[str]:
    """Put each folder in its place; returns the places whose files were moved here from before there was a disk."""
    moved = []
    for name, place in _PLACES.items():
        if _in_place(name):
            continue
        folder = paths.LIVE / name
        if place.is_dir() and any(place.iterdir()):
            engine.unmount_below(place, log)
            if not folder.exists() or not any(folder.iterdir()):
                _move(log, place, folder)
                moved.append(str(place))
            else:
                # All of it had been moved, but not all removed, when that was interrupted.
                shutil.rmtree(place)
        folder.mkdir(parents=True, exist_ok=True)
        place.mkdir(parents=True, exist_ok=True)
        log.run(["mount", "--bind", folder, place])
    return moved


def _move(log: StepLog, source: Path, target: Path) -> None:
    log.awaiting(f"moving {source} onto the lab's disk (once)")
    draft = target.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.parent.mkdir(parents=True, exist_ok=True)
    log.run(["cp", "--archive", source, draft])
    if target.exists():
        target.rmdir()
    draft.rename(target)
    shutil.rmtree(source)


def _detach_image(log: StepLog) -> None:
    for place in reversed(_PLACES.values()):
        _unmount(log, place)
    if copies_in_a_moment():
        _unmount(log, paths.LIVE)


def _unmount(log: StepLog, folder: Path) -> None:
    """Take away what is mounted below a folder, and there."""
    below = [point for point in _mount_points() if point.startswith(f"{folder}/")]
    for point in sorted(below, reverse=True):
        log.run(["umount", "--lazy", point])
    for last in (False,) * 20 + (True,):
        if str(folder) not in _mount_points():
            return
        try:
            # Lazily only if somebody still looks into it: the file must not be mounted a second time meanwhile.
            log.run(["umount", *(["--lazy"] if last else []), folder])
        except LabError:
            if last:
                raise
            time.sleep(0.1)


def _in_place(name: str) -> bool:
    folder, place = paths.LIVE / name, _PLACES[name]
    return folder.exists() and place.exists() and place.samefile(folder)


def _thaw() -> None:
    """Where a copy was killed while it was made, all writers still wait."""
    if copies_in_a_moment():
        subprocess.run(["fsfreeze", "--unfreeze", str(paths.LIVE)], capture_output=True, check=False)


def _mount_points() -> set[str]:
    return {line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()}
