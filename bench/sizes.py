"""Stacks of the program in chosen sizes, and an empty program, each in a directory of its own.

They need no machine: a preview on a fresh state asks none. A state that is there already is made by `pulumi up` with
plugins that only say they created something (pretended.py); from then on it is a state as any other, and the preview
that is measured runs with the plugins that the lab uses. Those ask no machine either while nothing has changed.

Nothing outside the directory is written, the user's home included.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab import paths, tools

STACK = "bench"
PRETENDED = ("command", "docker", "gitlab", "kubernetes")
"""Plugins that would need a machine to create something; tls needs none."""
MACHINES = {"dns": "192.0.2.11", "registry": "192.0.2.12", "gitlab": "192.0.2.13", "k8s": "192.0.2.14"}
"""Addresses that are nobody's (TEST-NET-1)."""
SOURCES = {"custom": "services/hello-custom", "auto": "services/hello-auto"}


@dataclass(frozen=True)
class Stack:
    """One program with one state."""

    program: Path
    environment: dict[str, str]
    options: tuple[str, ...] = ()

    def command(self, *arguments: str) -> list[str]:
        """The pulumi command line."""
        return ["pulumi", *arguments, "--stack", STACK, "--non-interactive", *self.options]

    def run(self, *arguments: str, path: Path | None = None) -> str:
        """Run a pulumi command that has to succeed, its plugins from `path` first; its output."""
        environment = dict(self.environment)
        if path:
            environment["PATH"] = os.pathsep.join([str(path), environment["PATH"]])
        command = self.command(*arguments)
        done = subprocess.run(command, cwd=self.program, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{shlex.join(command)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def preview(self) -> tuple[float, float]:
        """How long one preview takes, and what processor time it and all that it starts take; in seconds."""
        started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        self.run("preview")
        took, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        return took, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    def changes(self) -> dict[str, int]:
        """What a preview would do, and to how many resources."""
        summary = json.loads(self.run("preview", "--json"))["changeSummary"]
        assert isinstance(summary, dict)
        return summary


class Place:
    """A temporary directory with the chosen tools, keys, and the stacks that are made there."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._tools = directory / "tools"
        self._tools.mkdir()
        for tool in tools.all_tools():
            if not tool.path.exists():
                sys.exit(f"{tool.name} is neither installed nor built: `make preview` builds it")
            (self._tools / tool.name).symlink_to(tool.path)
        self._pretended = directory / "pretended"
        self._pretended.mkdir()
        for name in PRETENDED:
            executable = f"pulumi-resource-{name}"
            launcher = self._pretended / executable
            words = [sys.executable, str(Path(__file__).with_name("pretended.py")), str(self._tools / executable)]
            launcher.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
            launcher.chmod(0o755)
        (directory / "pulumi-home").mkdir()
        tools.without_log(directory / "pulumi-home")  # as in the lab
        (directory / "passphrase").write_text("bench")
        self._write_keys()

    def empty(self) -> Stack:
        """A program of no line."""
        program = self._directory / "empty"
        program.mkdir()
        (program / "Pulumi.yaml").write_text("name: empty\nruntime: python\n")
        (program / "__main__.py").write_text("")
        stack = Stack(program, self._environment("empty"))
        self._init(stack)
        return stack

    def whole(self, name: str, projects: int) -> Stack:
        """The program on a fresh state, with so many projects in its settings."""
        name = f"{name}-{projects}"
        environment = self._environment(name)
        # `stack init` writes the salt beside Pulumi.yaml: in a copy, so that the repository stays as it is.
        draft = self._directory / name
        draft.mkdir()
        shutil.copy(paths.REPOSITORY / "Pulumi.yaml", draft)
        self._init(Stack(draft, environment))
        salt = yaml.safe_load((draft / f"Pulumi.{STACK}.yaml").read_text())
        config = draft / "settings.yaml"
        config.write_text(json.dumps(salt | {"config": self._settings(projects)}))
        return Stack(paths.REPOSITORY, environment, ("--config-file", str(config)))

    def pretend_up(self, stack: Stack) -> None:
        """Fill a stack's state as `pulumi up` would, without a machine."""
        stack.environment["PULUMI_SKIP_CHECKPOINTS"] = "true"
        stack.run("up", "--yes", "--skip-preview", path=self._pretended)

    def _write_keys(self) -> None:
        """What the settings point at: a key, what the machines' keys are, a CA's certificate."""
        key, ca = self._directory / "id", self._directory / "mirror.crt"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        public = key.with_suffix(".pub").read_text()
        (self._directory / "known_hosts").write_text("".join(f"{address} {public}" for address in MACHINES.values()))
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
            + ["-subj", "/CN=bench", "-addext", "keyUsage=critical,keyCertSign"]
            + ["-keyout", self._directory / "mirror.key", "-out", ca],
            check=True,
            capture_output=True,
        )

    def _init(self, stack: Stack) -> None:
        Path(stack.environment["PULUMI_BACKEND_URL"].removeprefix("file://")).mkdir(parents=True)
        stack.run("stack", "init", "--secrets-provider", "passphrase")

    def _environment(self, name: str) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PULUMI_")}
        return kept | {
            "PATH": os.pathsep.join([str(self._tools), os.environ["PATH"]]),
            "HOME": str(self._directory),
            "PULUMI_HOME": str(self._directory / "pulumi-home"),
            "PULUMI_BACKEND_URL": f"file://{self._directory / 'state' / name}",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self._directory / "passphrase"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }

    def _settings(self, projects: int) -> dict[str, Any]:
        """Those of stack dev, but for machines, keys and the number of projects."""
        dev: dict[str, Any] = yaml.safe_load((paths.REPOSITORY / "Pulumi.dev.yaml").read_text())["config"]
        hosts = {name: {**machine, "address": MACHINES[name]} for name, machine in dev["auto-devops:hosts"].items()}
        return dev | {
            "auto-devops:hosts": hosts,
            "auto-devops:ssh": {
                "privateKeyFile": str(self._directory / "id"),
                "knownHostsFile": str(self._directory / "known_hosts"),
            },
            "auto-devops:mirrors": {
                **dev["auto-devops:mirrors"],
                "caCertificateFile": str(self._directory / "mirror.crt"),
            },
            "auto-devops:preflight": {"enabled": False},  # there is no machine to look at
            "auto-devops:projects": [
                {"group": f"group-{number // 5}", "name": f"project-{number}", "pipeline": pipeline, "source": source}
                for number, (pipeline, source) in zip(range(projects), itertools.cycle(SOURCES.items()), strict=False)
            ],
        }
