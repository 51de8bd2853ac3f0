"""The processes of an installation: started, watched, stopped. The last one of them owns nothing of GitLab's data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from gitlab_standin import server
from gitlab_standin.settings import SERVER, Settings

WITHIN_PUMA = ("gitaly", "gitlab-workhorse", "nginx", "postgresql", "redis", "sidekiq")
"""Services of the real GitLab whose work the web application does itself here."""


def within_puma(settings: Settings) -> tuple[str, ...]:
    """Those of them that this installation has."""
    return (*WITHIN_PUMA, "gitlab-kas") if settings.kas else WITHIN_PUMA


@dataclass
class Service:
    """One process that is kept running."""

    name: str
    command: list[str]
    wanted: bool = True
    process: subprocess.Popen[bytes] | None = None
    since: float = field(default_factory=time.time)


class Services:
    """All processes of an installation, and the files that say what runs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.RLock()
        self._services: dict[str, Service] = {}
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Take new settings; what runs is restarted with them by `restart`."""
        self._settings = settings
        file = settings.run / "settings.json"
        file.write_text(server.dump(settings))
        commands = {"puma": [sys.executable, "-m", "gitlab_standin.server", str(file)]}
        if settings.registry_url:
            configuration = settings.data / "registry/config.yml"
            commands["registry"] = [str(settings.registry_program), "serve", str(configuration)]
        if settings.user is not None:
            commands["sshd"] = ["/usr/sbin/sshd", "-D", "-e", "-f", "/assets/sshd_config", "-p", str(settings.ssh_port)]
        with self._lock:
            for name in [name for name in self._services if name not in commands]:
                self.stop(name)
                del self._services[name]
            for name, command in commands.items():
                self._services.setdefault(name, Service(name, command)).command = command

    @property
    def within_puma(self) -> tuple[str, ...]:
        return within_puma(self._settings)

    @property
    def names(self) -> list[str]:
        return list(self._services)

    def start(self, name: str) -> None:
        with self._lock:
            service = self._services[name]
            service.wanted = True
            if service.process is None or service.process.poll() is not None:
                self._spawn(service)

    def stop(self, name: str) -> None:
        with self._lock:
            service = self._services[name]
            service.wanted = False
            process = service.process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        with self._lock:
            service.process = None
            service.since = time.time()
            self._write_status()

    def restart(self, name: str) -> None:
        self.stop(name)
        self.start(name)

    def revive(self) -> None:
        """Start again what ended by itself."""
        with self._lock:
            for service in self._services.values():
                if service.wanted and service.process is not None and service.process.poll() is not None:
                    print(f"{service.name} ended with {service.process.returncode}; starting it again", flush=True)
                    self._spawn(service)

    def _spawn(self, service: Service) -> None:
        with self._log(service.name) as log:
            service.process = subprocess.Popen(
                service.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join([str(SERVER), *_python_path()]),
                    "OTEL_TRACES_EXPORTER": "none",
                },
            )
        service.since = time.time()
        self._write_status()

    def _log(self, name: str) -> IO[bytes]:
        folder = self._settings.log / name
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / "current").open("ab")

    def _write_status(self) -> None:
        file = self._settings.run / "status.json"
        draft = file.with_suffix(".draft")
        draft.write_text(
            json.dumps(
                {
                    service.name: {"pid": service.process.pid if service.process else None, "since": service.since}
                    for service in self._services.values()
                }
            )
        )
        draft.rename(file)


def status_lines(settings: Settings) -> tuple[list[str], bool]:
    """What `gitlab-ctl status` says, and whether everything runs."""
    file = settings.run / "status.json"
    if not file.exists():
        return ["fail: nothing runs yet: GitLab is being configured"], False
    found = json.loads(file.read_text())
    lines, fine = [], True
    for name, kept in sorted({**found, **dict.fromkeys(within_puma(settings), found.get("puma"))}.items()):
        seconds = int(time.time() - kept["since"])
        running = kept["pid"] is not None and Path(f"/proc/{kept['pid']}").exists()
        fine = fine and running
        lines.append(
            f"run: {name}: (pid {kept['pid']}) {seconds}s" if running else f"down: {name}: {seconds}s, normally up"
        )
    return lines, fine


def _python_path() -> list[str]:
    return [entry for entry in sys.path if entry.endswith(("site-packages", "dist-packages"))]
