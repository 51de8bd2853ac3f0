"""The lab's own container engine: a containerd and a dockerd beside whatever the computer runs already.

Owns their processes, sockets and data. A user's own Docker is never touched: nothing here uses /var/run/docker.sock,
/etc/docker or docker0.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import docker
from docker.errors import DockerException, ImageNotFound
from requests.exceptions import RequestException

from lab import paths
from lab.steps import LabError, StepLog, wait_until

_CONTAINERD_SOCKET = paths.RUN / "containerd.sock"
_DAEMONS = ("dockerd", "containerd")
# Made by the daemons whatever their settings say. Parents come last.
_STRAY_FOLDERS = ("/run/containerd/s", "/run/containerd", "/run/docker/plugins", "/run/docker")
_STRAY = paths.RUN / "stray-folders"
_CGROUPS = Path("/sys/fs/cgroup")


def client(timeout: int = 120) -> docker.DockerClient:
    """A client of the lab's engine."""
    return docker.DockerClient(base_url=f"unix://{paths.DOCKER_SOCKET}", version="auto", timeout=timeout)


def answers() -> bool:
    """Whether the lab's engine is up."""
    if not paths.DOCKER_SOCKET.exists():
        return False
    try:
        return client(timeout=10).ping()
    except (DockerException, RequestException):
        return False


def has_image(tag: str) -> bool:
    """Whether the engine has an image of that name."""
    try:
        client().images.get(tag)
    except ImageNotFound:
        return False
    return True


def up(log: StepLog) -> str:
    """Start the engine unless it runs."""
    if _pid("containerd") and _pid("dockerd") and answers():
        return "already runs"
    down(log)
    paths.RUN.mkdir(mode=0o700, parents=True, exist_ok=True)
    paths.DOCKER_DATA.mkdir(parents=True, exist_ok=True)
    if not _STRAY.exists():
        _STRAY.write_text("\n".join(folder for folder in _STRAY_FOLDERS if not Path(folder).exists()))
    # dockerd would not start while the file names a process that is there, be it a zombie or another program.
    (paths.RUN / "docker.pid").unlink(missing_ok=True)
    settings = paths.RUN / "daemon.json"
    # dockerd would otherwise leave a key in the computer's own /etc/docker.
    settings.write_text(json.dumps({"deprecated-key-path": str(paths.DOCKER_DATA / "key.json")}))
    containerd_settings = paths.RUN / "containerd.toml"
    containerd_settings.write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
    root, state = paths.CONTAINERD_DATA, paths.RUN / "containerd"
    _start(
        log,
        "containerd",
        f"--config {containerd_settings} --root {root} --state {state} --address {_CONTAINERD_SOCKET}",
    )
    wait_until(log, "containerd's socket", _CONTAINERD_SOCKET.exists, 30)
    _start(
        log,
        "dockerd",
        f"--config-file {settings} --containerd {_CONTAINERD_SOCKET} --data-root {paths.DOCKER_DATA}"
        f" --exec-root {paths.RUN / 'docker'} --host unix://{paths.DOCKER_SOCKET} --pidfile {paths.RUN / 'docker.pid'}"
        " --bridge none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false",
    )
    wait_until(log, "the engine's first answer", answers, 60, fix=f"read {paths.LOGS / 'dockerd.log'}")
    return f"Docker {client().version()['Version']}"


def down(log: StepLog) -> None:
    """End the engine's processes, by the ids of those that `up` started. The containers are ended before."""
    for name in _DAEMONS:
        pid = _pid(name)
        if pid is None:
            continue
        log.awaiting(f"{name} (process {pid}) to end")
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 30
        while _pid(name) is not None:
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)


def remove_cgroups(log: StepLog) -> None:
    """Remove what an engine that was ended has left of its containers: none of them could be started into it."""
    folder = paths.DOCKER_DATA / "containers"
    containers = [each.name for each in folder.iterdir()] if folder.is_dir() else []

    def removed() -> bool:
        left = [
            root
            for name in containers
            for root in (*_CGROUPS.glob(f"*/docker/{name}"), *_CGROUPS.glob(f"docker/{name}"))
            if root.is_dir()
        ]
        for root in left:
            for each, _, files in os.walk(root, topdown=False):
                # Who is held still does not end (cgroups v1). runc holds a pod's first process while it sets it up, and
                # may have been ended just then (seen).
                if "freezer.state" in files:
                    with suppress(OSError):
                        Path(each, "freezer.state").write_text("THAWED")
                # Busy until the kernel has put the last of its processes away.
                with suppress(OSError):
                    Path(each).rmdir()
        return not any(root.exists() for root in left)

    wait_until(log, "the end of the containers' control groups", removed, 10)


@contextmanager
def paused(log: StepLog) -> Iterator[None]:
    """Hold every container still: none of its processes gets on."""
    log.awaiting("the machines to hold still")
    held = client().containers.list()
    try:
        for each in held:
            each.pause()
        yield
    finally:
        for each in held:
            each.reload()
            if each.status == "paused":
                each.unpause()


def cut_power(log: StepLog) -> int:
    """End every container's processes at once, and then the engine's own; returns how many containers there were.

    For a lab whose files are thrown away. Needs no engine that answers.
    """
    found = shims()
    for shim in found:
        for child in _children(shim):
            _end(child)
    if _pid("containerd") and _pid("dockerd"):
        log.awaiting("the engine to put its containers' leftovers away")
        deadline = time.monotonic() + 5
        while shims() and time.monotonic() < deadline:
            time.sleep(0.05)
    for daemon in _DAEMONS:
        pid = _pid(daemon)
        if pid is not None:
            _end(pid)
    for shim in shims():
        for child in _children(shim):
            _end(child)
        _end(shim)
    wait_until(log, "the end of the engine's processes", lambda: not processes(), 10)
    remove_cgroups(log)
    unmount_below(paths.RUN, log)
    unmount_below(paths.DOCKER_DATA / "overlay2", log)
    # Sockets and the like of processes that are gone; what belongs to the network and the kernel stays.
    for name in ("docker", "containerd"):
        shutil.rmtree(paths.RUN / name, ignore_errors=True)
    paths.DOCKER_SOCKET.unlink(missing_ok=True)
    _CONTAINERD_SOCKET.unlink(missing_ok=True)
    return len(found)


def remove_files(log: StepLog) -> None:
    """Remove what the daemons leave outside the cache, once they have ended."""
    unmount_below(paths.RUN, log)
    for folder in map(Path, _STRAY.read_text().split() if _STRAY.exists() else ()):
        # Only those that were not there before, and that nobody else has put something in since.
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    if paths.RUN.exists():
        shutil.rmtree(paths.RUN)


def processes() -> list[int]:
    """Ids of the engine's processes: the daemons, and what containerd keeps beside each container."""
    return [pid for name in _DAEMONS if (pid := _pid(name))] + shims()


def shims() -> list[int]:
    """Processes that containerd left beside its containers; none is there once the containers are removed."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            words = _command_line(int(entry.name))
            if words and "containerd-shim" in words[0] and str(_CONTAINERD_SOCKET) in words:
                found.append(int(entry.name))
    return found


def unmount_below(folder: Path, log: StepLog) -> None:
    """Take away whatever is mounted at or below a folder of the lab."""
    points = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for point in reversed(points):
        if point == str(folder) or point.startswith(f"{folder}/"):
            log.run(["umount", "--lazy", point])


def _pid_file(name: str) -> Path:
    return paths.RUN / f"{name}.lab-pid"


def _command_line(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def _pid(name: str) -> int | None:
    """The daemon's process id while it lives; a number that another program has got since does not count."""
    try:
        pid = int(_pid_file(name).read_text())
    except (OSError, ValueError):
        return None
    words = _command_line(pid)
    return pid if words and Path(words[0]).name == name and str(paths.RUN) in " ".join(words) else None


def _children(pid: int) -> list[int]:
    """A shim's children: its container's first process, and what was begun there from outside."""
    try:
        return [int(word) for file in Path(f"/proc/{pid}/task").glob("*/children") for word in file.read_text().split()]
    except OSError:
        return []


def _end(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _start(log: StepLog, name: str, arguments: str) -> None:
    words = [name, *shlex.split(arguments)]
    log.write("$ " + " ".join(words))
    paths.LOGS.mkdir(parents=True, exist_ok=True)
    output = paths.LOGS / f"{name}.log"
    with output.open("ab") as file:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True, cwd="/"
        )
    _pid_file(name).write_text(str(process.pid))
    time.sleep(0.3)
    if process.poll() is not None:
        raise LabError(f"{name} ended at once with status {process.returncode}", f"read {output}")
