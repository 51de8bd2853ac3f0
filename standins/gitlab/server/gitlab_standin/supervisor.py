"""What the container runs: /assets/wrapper. Configures, says so, then keeps the services running until it is stopped.

`gitlab-ctl` asks it through a socket.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from gitlab_standin import VERSION, omnibus
from gitlab_standin.configure import reconfigure
from gitlab_standin.omnibus import ConfigurationError, RubyError
from gitlab_standin.services import Services
from gitlab_standin.settings import Settings
from gitlab_standin.versions import UpgradeError

_GITLAB_RB = """## GitLab configuration settings
##! What is set in the environment variable GITLAB_OMNIBUS_CONFIG counts more than this file.
"""
BASE = Settings(external_url="https://gitlab.example.com")


def read_settings(base: Settings = BASE) -> Settings:
    """The settings of gitlab.rb and of the environment. Raises ConfigurationError or RubyError."""
    file = base.etc / "gitlab.rb"
    values: dict[str, Any] = {}
    if file.exists():
        values |= omnibus.parse(file.read_text(), str(file))
    values |= omnibus.parse(os.environ.get("GITLAB_OMNIBUS_CONFIG", ""))
    return omnibus.settings_from(values, base)


def until_listening(port: int, seconds: float = 60) -> None:
    """Return when something listens on this machine's port; a TimeoutError, which is an OSError, if nothing does."""
    limit = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > limit:
                raise TimeoutError(f"nothing listens on port {port} after {seconds:.0f} s") from None
            time.sleep(0.1)


def control_socket(settings: Settings) -> Path:
    return settings.run / "control.sock"


class Supervisor:
    """The first process of the container."""

    def __init__(self, base: Settings) -> None:
        self._base = base
        self._services: Services | None = None
        self._ending = threading.Event()

    def run(self) -> int:
        print(
            "Thank you for using GitLab Docker Image!\n"
            f"Current version: gitlab-ce={VERSION}-ce.0 (the lab's stand-in)\n",
            flush=True,
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._ending.set())
        self._base.etc.mkdir(parents=True, exist_ok=True)
        file = self._base.etc / "gitlab.rb"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(_GITLAB_RB)
        print("Configuring GitLab package...\nConfiguring GitLab...", flush=True)
        try:
            settings = self._configure()
        except (ConfigurationError, RubyError, UpgradeError) as error:
            print(f"FATAL: GitLab is not started:\n{error}", file=sys.stderr, flush=True)
            return 1
        self._services = Services(settings)
        self._answer_control()
        for name in self._services.names:
            self._services.start(name)
        print("gitlab Reconfigured!", flush=True)
        while not self._ending.wait(1):
            self._services.revive()
        for name in reversed(self._services.names):
            self._services.stop(name)
        return 0

    def _configure(self) -> Settings:
        started = time.monotonic()
        settings = read_settings(self._base)
        steps = 0

        def progress(step: str) -> None:
            nonlocal steps
            steps += 1
            print(f"  * {step}", flush=True)

        reconfigure(settings, progress)
        seconds = int(time.monotonic() - started)
        print(f"\nInfra Phase complete, {steps}/{steps} resources updated in {seconds} seconds", flush=True)
        return settings

    # gitlab-ctl

    def _answer_control(self) -> None:
        file = control_socket(self._base)
        file.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(file))
        file.chmod(0o600)
        listening.listen()
        threading.Thread(target=self._serve_control, args=(listening,), daemon=True).start()

    def _serve_control(self, listening: socket.socket) -> None:
        while True:
            connection, _ = listening.accept()
            with connection, connection.makefile("rw") as stream:
                try:
                    answer = self._control(json.loads(stream.readline()))
                except (ConfigurationError, RubyError, UpgradeError, OSError) as error:
                    answer = {"status": 1, "lines": [f"FATAL: {error}"]}
                stream.write(json.dumps(answer) + "\n")

    def _control(self, asked: dict[str, Any]) -> dict[str, Any]:
        assert self._services is not None
        command, names = asked["command"], asked.get("services") or []
        if command == "reconfigure":
            settings = self._configure()
            self._services.configure(settings)
            for name in self._services.names:
                self._services.restart(name)
            until_listening(settings.https_port)
            return {"status": 0, "lines": ["gitlab Reconfigured!"]}
        if command == "hup":
            # nginx reads its certificates again. Here they are puma's and the registry's, which do so at their start;
            # nobody who asks afterwards may notice.
            for name in {"puma", "registry"} & set(self._services.names):
                self._services.restart(name)
            until_listening(read_settings(self._base).https_port)
            return {"status": 0, "lines": ["ok: run: nginx (within puma and registry)"]}
        lines = []
        status = 0
        for name in names or self._services.names:
            if name in self._services.within_puma and command == "stop":
                # Its work is puma's here: it is stopped when that is.
                down = not self._is_up("puma")
                status = status if down else 1
                lines.append(
                    f"ok: down: {name}" if down else f"fail: {name} runs within puma in the lab's GitLab: stop puma"
                )
                continue
            if name in self._services.within_puma:
                self._services.start("puma")
                lines.append(f"ok: run: {name} (within puma)")
                continue
            if name not in self._services.names:
                status = 1
                lines.append(f"fail: {name}: the lab's GitLab has no such service")
                continue
            {"start": self._services.start, "stop": self._services.stop, "restart": self._services.restart}[command](
                name
            )
            lines.append(f"ok: {'down' if command == 'stop' else 'run'}: {name}")
        return {"status": status, "lines": lines}

    def _is_up(self, name: str) -> bool:
        found = json.loads((self._base.run / "status.json").read_text())
        return found[name]["pid"] is not None


def main(arguments: list[str]) -> int:
    """Run the image's installation, or one elsewhere, for tests and for looking around: see --help."""
    parser = argparse.ArgumentParser(
        prog="gitlab_standin.supervisor", description="GITLAB_OMNIBUS_CONFIG configures it."
    )
    parser.add_argument("--root", type=Path, help="below this instead of /, as who runs it, without sshd")
    parser.add_argument("--node", type=Path, default=BASE.node)
    parser.add_argument("--ci-local", type=Path, default=BASE.ci_local)
    parser.add_argument("--registry-program", type=Path, default=BASE.registry_program)
    parser.add_argument("--agent-seconds", type=float, default=BASE.agent_seconds, help="wait for an agent that long")
    given = parser.parse_args(arguments)
    base = replace(
        BASE,
        node=given.node,
        ci_local=given.ci_local,
        registry_program=given.registry_program,
        agent_seconds=given.agent_seconds,
    )
    if given.root:
        base = replace(base, root=given.root, user=None, listen="127.0.0.1")
    return Supervisor(base).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
