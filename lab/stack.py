"""Runs Pulumi on stack `dev`: its environment, its state in a folder, and the working copy of its configuration.

Owns `state/`, `passphrase` and `Pulumi.dev.yaml` of the running lab. The committed Pulumi.dev.yaml is only read.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab import paths, tools
from lab.steps import LabError, StepLog

STACK = "dev"
_COMMITTED = paths.REPOSITORY / f"Pulumi.{STACK}.yaml"
_SALT = paths.LAB / "encryption-salt"
_COPIED = paths.LAB / "Pulumi.dev.yaml.committed"
_LOCKS = paths.STATE / ".pulumi/locks"
_STATE_FILE = paths.STATE / f".pulumi/stacks/auto-devops/{STACK}.json"
# Commands that read or write the stack's configuration, and so must be told where it is.
_WITH_CONFIG = {"up", "update", "preview", "refresh", "destroy", "config", "import", "watch"}
_WITHOUT_STACK = {"about", "version", "plugin", "help", "login", "logout", "whoami", "schema", "package"}


def environment() -> dict[str, str]:
    """What pulumi's environment must have, added to the process's own."""
    return {
        "PATH": os.pathsep.join([str(tools.CHOSEN), str(paths.VENV / "bin"), os.environ["PATH"]]),
        "PULUMI_BACKEND_URL": f"file://{paths.STATE}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(paths.PASSPHRASE),
        "PULUMI_HOME": str(tools.PULUMI_HOME),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }


def prepare(log: StepLog) -> str:
    """Make the stack and the working copy of its configuration, where they are not there yet."""
    note = "already there"
    if not paths.PASSPHRASE.exists():
        draft = paths.PASSPHRASE.with_suffix(".draft")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(32))
        draft.rename(paths.PASSPHRASE)
    paths.STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (_STATE_FILE.exists() and _SALT.exists()):
        if _STATE_FILE.exists():
            raise LabError(f"{_STATE_FILE} is there, but not {_SALT} that its secrets need", "`make down`, `make up`")
        # `stack init` writes the salt beside Pulumi.yaml: in a copy, so that the repository stays as it is.
        with tempfile.TemporaryDirectory() as project:
            shutil.copy(paths.REPOSITORY / "Pulumi.yaml", project)
            init = ["stack", "init", STACK, "--secrets-provider", "passphrase", "--non-interactive"]
            salt = Path(project) / _COMMITTED.name
            try:
                log.run(["pulumi", "--cwd", project, *init], env=environment())
                _SALT.write_text(salt.read_text())
            except LabError:
                _STATE_FILE.unlink(missing_ok=True)
                raise
        note = f"stack {STACK} in {paths.STATE}"
    committed = _COMMITTED.read_text()
    # Copied again only when the committed one has changed: `pulumi config set` of a person or a test stays.
    if not paths.STACK_CONFIG.exists() or not _COPIED.exists() or _COPIED.read_text() != committed:
        paths.STACK_CONFIG.write_text(committed.rstrip("\n") + "\n" + _SALT.read_text())
        _COPIED.write_text(committed)
    return note


def command(arguments: Sequence[str]) -> list[str]:
    """The pulumi command line for stack `dev`: --stack, --config-file and --non-interactive are filled in."""
    words = ["pulumi", *arguments]
    verb = next((word for word in arguments if not word.startswith("-")), "help")
    if verb in _WITHOUT_STACK:
        return words
    given = {word.partition("=")[0] for word in arguments}
    if not given & {"--stack", "-s"}:
        words += ["--stack", STACK]
    if verb in _WITH_CONFIG and "--config-file" not in given:
        words += ["--config-file", str(paths.STACK_CONFIG)]
    if "--non-interactive" not in given and "-i" not in given:
        words.append("--non-interactive")
    return words


def run(arguments: Sequence[str]) -> int:
    """Run pulumi in the foreground; returns its exit status."""
    _check_prepared()
    words = command(arguments)
    process = subprocess.run(words, env={**os.environ, **environment()}, cwd=paths.REPOSITORY, check=False)
    return process.returncode


def preflight(arguments: Sequence[str]) -> int:
    """Look at the stack's machines as its user would, in the foreground; the exit status."""
    _check_prepared()
    words = [sys.executable, "-m", "preflight", "--stack", STACK, "--config-file", str(paths.STACK_CONFIG), *arguments]
    return subprocess.run(words, env={**os.environ, **environment()}, cwd=paths.REPOSITORY, check=False).returncode


def up(log: StepLog) -> str:
    """`pulumi up`: the last line that it printed shows as progress, all of it is in the log."""
    unlock(log)
    if _has_pending_operations():
        # Left by a run that was killed. Pulumi would warn of them for ever: only a refresh takes them away. What
        # scripts had begun on machines they meet again. A container or an object in GitLab that was made after all is
        # in the way of its own creation, which then fails with its name (docs/operations.md, "When something fails").
        log.awaiting("refresh after an interrupted run")
        log.run(
            command(["refresh", "--yes", "--skip-preview", "--clear-pending-creates", "--color", "never"]),
            env=environment(),
            cwd=paths.REPOSITORY,
        )
    output = log.run(
        command(["up", "--yes", "--skip-preview", "--suppress-outputs", "--color", "never"]),
        env=environment(),
        cwd=paths.REPOSITORY,
    )
    lines = [line.strip() for line in output.splitlines()]
    counts = lines[lines.index("Resources:") + 1 :] if "Resources:" in lines else []
    return ", ".join(line for line in counts if line and not line.startswith("Duration"))


def outputs(secret: bool = False) -> dict[str, Any]:
    """The stack's outputs."""
    _check_prepared()
    words = command(["stack", "output", "--json"] + (["--show-secrets"] if secret else []))
    done = subprocess.run(
        words,
        env={**os.environ, **environment()},
        cwd=paths.REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LabError(f"`{' '.join(words)}`: {done.stderr.strip()}", "run `make up`")
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def lock_holders() -> list[int]:
    """Ids of the pulumi processes that hold the stack's lock and live; the lock of a dead one does not count."""
    return [pid for pid in _lock_pids() if _is_pulumi(pid)]


def unlock(log: StepLog) -> None:
    """Remove the lock that an interrupted run has left behind."""
    holders = lock_holders()
    if holders:
        raise LabError(
            f"another pulumi works on the stack right now (process {', '.join(map(str, holders))})",
            "wait until it has ended, or end it",
        )
    if _lock_pids():
        log.awaiting("removal of the lock that an interrupted run left")
        log.run(command(["cancel", "--yes"]), env=environment(), cwd=paths.REPOSITORY)


def _has_pending_operations() -> bool:
    state = json.loads(_STATE_FILE.read_text())
    return bool((state["checkpoint"].get("latest") or {}).get("pending_operations"))


def _check_prepared() -> None:
    if not paths.STACK_CONFIG.exists() or not tools.CHOSEN.exists():
        raise LabError("the lab has no stack yet", "run `make up`, or `make preview`")


def _lock_pids() -> list[int]:
    return [int(json.loads(file.read_text())["pid"]) for file in _LOCKS.rglob("*.json")]


def _is_pulumi(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return Path(words[0].decode(errors="replace")).name == "pulumi"
