"""`make down`: takes the lab away again. What stays is the caches; a second run finds nothing and says so."""

from __future__ import annotations

import os
import shutil
import signal
import time
from functools import partial
from pathlib import Path

from lab import engine, images, kernel, machines, mirror, network, paths, stack, storage, tools
from lab.steps import LabError, Plan, StepLog, wait_until


def run() -> bool:
    """Remove the lab; returns whether there was anything to remove."""
    there = paths.LAB.exists() or paths.RUN.exists() or storage.in_use() or network.interfaces() or tools.processes()
    if not there:
        return False
    storage.provide("make down")
    plan = Plan(again="make down")
    plan.add("end pulumi", _end_pulumi)
    ended: list[int] = []
    plan.add("remove machines", partial(_remove_machines, ended=ended), ["end pulumi"])
    plan.add("end engine", _end_engine, ["remove machines"])
    plan.add("remove network", network.down, ["end engine"])
    plan.add("check", partial(_check, ended=ended), ["remove network"])
    plan.run()
    # The steps' own logs are in there, and it is in the lab's file system.
    storage.put_away("make down")
    shutil.rmtree(paths.BUILD, ignore_errors=not paths.BUILD.exists())
    return True


def _containers_left() -> bool:
    folder = paths.DOCKER_DATA / "containers"
    return folder.is_dir() and any(folder.iterdir())


def _end_pulumi(log: StepLog) -> None:
    for pid in stack.lock_holders():
        log.awaiting(f"pulumi (process {pid}) to end")
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 60
        while pid in stack.lock_holders():
            if time.monotonic() > deadline:
                raise LabError(f"pulumi (process {pid}) does not end", f"end process {pid}")
            time.sleep(0.2)
    for pid in tools.processes():
        log.write(f"ending process {pid}, which a pulumi that was killed has left")
        os.kill(pid, signal.SIGTERM)
    wait_until(log, "the end of pulumi's helpers", lambda: not tools.processes(), 10)


def _remove_machines(log: StepLog, ended: list[int]) -> str:
    """Remove them; adds the engine's processes, which go with them or right after, to `ended`."""
    if not engine.answers():
        if not _containers_left():
            return "none there"
        # Containers that an engine which is gone has left: only an engine can remove them in order.
        engine.up(log)
    ended.extend(engine.processes())
    count = machines.down(log)
    images.prune(log, {mirror.image_tag(folder) for folder in mirror.image_folders()})
    return f"{count} machines"


def _end_engine(log: StepLog) -> None:
    engine.down(log)
    kernel.give_back()
    engine.remove_files(log)


def _check(log: StepLog, ended: list[int]) -> str:
    """What is left would be a mistake of the lab: better said than found out later."""
    log.awaiting("the last processes to go")
    # Ended they are; the system's first process takes them off the list when it gets to it.
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(Path(f"/proc/{pid}").exists() for pid in ended):
        time.sleep(0.1)
    left = [f"process {pid}" for pid in engine.shims()]
    left += network.rules_left()
    left += [f"interface {name}" for name in network.interfaces()]
    left += [str(paths.RUN)] if paths.RUN.exists() else []
    if left:
        raise LabError(f"still there: {', '.join(left)}", "remove it by hand")
    return "nothing left but caches"
