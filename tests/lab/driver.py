"""How the lab tests act: as people do, through the lab's own commands, and mostly from the workstation."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lab import machines, paths, stack, tools
from lab.inventory import CHROMEDRIVER_PORT, WORKSTATION
from lab.inventory import machine as machine_called

ROOT = paths.REPOSITORY
SERVERS = ("dns", "registry", "gitlab", "k8s")
ADDRESSES = {name: machine_called(name).address for name in SERVERS}
CHROMEDRIVER = f"http://{WORKSTATION.address}:{CHROMEDRIVER_PORT}"
SNAPSHOT = Path(__file__).parent / "snapshot.sh"
BEFORE = paths.LAB / "tests/before.json"
"""What machines were like before the stack. It lies in the running lab, and so is saved with each of its states."""
DOMAIN = "auto-devops.test"
REGISTRY = f"registry.{DOMAIN}"
SLEEP = "mine/sleep:1"
"""Somebody's image, which is in no registry."""
MAKE_IMAGE = (
    "{ echo /bin/sleep; ldd /bin/sleep | grep -o '/[^ ]*'; } | tar -chf - -T - 2>/dev/null | "
    f"""docker import --change 'CMD ["/bin/sleep", "infinity"]' - {SLEEP}"""
)
"""The line that makes it in a machine's engine: a program of the machine's, and what it is linked with."""


@dataclass(frozen=True)
class Result:
    """What a command did. `output` is standard output and error as a person sees them."""

    status: int
    output: str

    def succeeded(self) -> Result:
        """Itself, or the failure that says what was printed."""
        assert self.status == 0, f"exit status {self.status}:\n{self.output[-6000:]}"
        return self

    def failed(self) -> Result:
        """Itself, or the failure that says that it should have failed."""
        assert self.status != 0, f"should have failed:\n{self.output[-6000:]}"
        return self

    def json(self) -> Any:
        """The object that was printed, after whatever else was."""
        return json.loads(self.output[self.output.index("{") :])

    def findings(self, level: str) -> dict[tuple[str, str], dict[str, str]]:
        """What `preflight --json` has found with that level, by machine and what was looked at."""
        return {(each["machine"], each["what"]): each for each in self.json()["findings"] if each["level"] == level}

    @property
    def changes(self) -> dict[str, int]:
        """What `pulumi` says it did: created, updated, deleted, replaced, unchanged -> how many resources."""
        summary = self.output.rpartition("Resources:")[2]
        pattern = r"(\d+) (?:to )?(create|update|delete|replace|unchanged)"
        return {kind: int(count) for count, kind in re.findall(pattern, summary)}


def run(command: Sequence[str], *, timeout: int = 900, env: Mapping[str, str] | None = None) -> Result:
    """A command on this machine; `env` is added to the environment."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=timeout,
        check=False,
    )
    return Result(done.returncode, done.stdout)


@dataclass
class Lab:
    """The running lab."""

    on_failure: Callable[[], None] = field(default=lambda: None, repr=False)
    """Called before a failing test's settings are taken back: the machines are as the failure left them."""
    outside_before: dict[str, list[str]] | None = field(default=None, repr=False)
    """What this machine, which carries the lab, was like before; None where a lab was there when the session began."""
    within: tuple[str, ...] = ()
    """The command that runs pulumi and the lab's commands, where it is not this process: see `asking`."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What those have in their environment beside this process's."""

    def lab(self, *arguments: str, timeout: int = 1800) -> Result:
        """One of the lab's own commands."""
        words = [*self.within, sys.executable, "-m", "lab", *arguments]
        return run(words, timeout=timeout, env=self.environment)

    def on(self, machine: str, line: str) -> Result:
        """A shell line on a machine, as its root: what `make shell` does, without starting Python each time."""
        return run(machines.shell_command(machine_called(machine), line))

    def workstation(self, line: str) -> str:
        """What a shell line prints on the workstation, where it has to succeed."""
        return self.on("workstation", line).succeeded().output

    def power_off(self, machine: str) -> None:
        """Takes a machine's power; the lab's `restart` gives it back."""
        name = machines.container_name(machine_called(machine))
        run(["docker", "-H", f"unix://{paths.DOCKER_SOCKET}", "kill", name]).succeeded()

    def pulumi(self, *arguments: str) -> Result:
        """`pulumi` on stack dev."""
        return run(self._pulumi(arguments), env=self._environment, timeout=1800)

    def _pulumi(self, arguments: Sequence[str]) -> list[str]:
        return [*self.within, *stack.command(arguments)]

    @property
    def _environment(self) -> dict[str, str]:
        """What pulumi has in its environment beside this process's."""
        return {**stack.environment(), **self.environment}

    def interrupted(self, when: Callable[[str], bool]) -> None:
        """`pulumi up`, ended as a power cut of the workstation ends it once `when` holds for what it has printed last.

        Neither Pulumi nor its plugins can say goodbye; left alone, those notice it within minutes.
        """
        run = subprocess.Popen(
            self._pulumi(["up", "--yes", "--skip-preview"]),
            cwd=ROOT,
            env={**os.environ, **self._environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert run.stdout is not None
        met = any(when(line) for line in run.stdout)
        # First who may be starting another just now.
        run.kill()
        run.wait()
        for pid in tools.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert met, "the run ended before that"
        eventually("the end of pulumi's plugins", lambda: not tools.processes(), 10)

    def asking(self, server: str, environment: Mapping[str, str]) -> Lab:
        """The same lab, but its commands ask that name server, in place of this computer's, and have that environment.

        Nobody else here does: they have a /etc/resolv.conf of their own, in a mount namespace.
        """
        file = paths.LAB / "tests/resolv.conf"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"nameserver {server}\n")
        line = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
        within = ("unshare", "--mount", "--propagation", "private", "sh", "-c", line, str(file))
        return replace(self, within=within, environment=environment)

    def up(self) -> Result:
        """`pulumi up`, whatever comes of it."""
        return self.pulumi("up", "--yes", "--skip-preview")

    def config(self, path: str, value: object | None, *, secret: bool = False) -> None:
        """Sets a setting of the working copy of Pulumi.dev.yaml; None takes it out."""
        key = f"auto-devops:{path}"
        if value is None:
            self.pulumi("config", "rm", "--path", key).succeeded()
            return
        options = ["--secret"] if secret else []
        text = value if isinstance(value, str) else json.dumps(value)
        self.pulumi("config", "set", "--path", *options, key, text).succeeded()

    @contextmanager
    def changed(
        self, settings: Mapping[str, object], *, undo: Mapping[str, object | None] | None = None
    ) -> Iterator[None]:
        """Other settings for a while: path -> value. What is applied meanwhile is the caller's to say, by `up`.

        `undo` has what they are afterwards; without it, each path is taken out.
        """
        with self.restored(dict.fromkeys(settings) if undo is None else undo):
            for path, value in settings.items():
                self.config(path, value)
            yield

    @contextmanager
    def restored(self, settings: Mapping[str, object | None]) -> Iterator[None]:
        """Whatever happens meanwhile, these settings and `pulumi up` follow; a failure's machines are kept first."""
        try:
            yield
        except BaseException as error:
            if not isinstance(error, KeyboardInterrupt):
                self.on_failure()
            raise
        finally:
            for path, value in settings.items():
                self.config(path, value)
            self.up().succeeded()

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets as they are."""
        return dict(self.pulumi("stack", "output", "--json", "--show-secrets").succeeded().json())

    def snapshot(self, machine: str) -> dict[str, list[str]]:
        """What there is on a machine, by kind, so that two moments can be compared."""
        text = self.on(machine, SNAPSHOT.read_text()).succeeded().output
        kinds: dict[str, list[str]] = {}
        for line in text.splitlines():
            kind, _, thing = line.partition("\t")
            kinds.setdefault(kind, []).append(thing)
        return kinds

    @property
    def before(self) -> dict[str, dict[str, list[str]]]:
        """What each machine was like before the stack came: kind of thing -> its lines."""
        return dict(json.loads(BEFORE.read_text()))

    def remember(self, *names: str) -> None:
        """From now on `before` says what these machines are like at this moment."""
        found = self.before if BEFORE.exists() else {}
        BEFORE.parent.mkdir(parents=True, exist_ok=True)
        BEFORE.write_text(json.dumps(found | {name: self.snapshot(name) for name in names}))

    def push(self, name: str) -> None:
        """Pushes an image of its own content as `name`, from the workstation through the shared engine."""
        base = self.workstation("docker image ls -q | tail -n 1").strip()
        dockerfile = f"FROM {base}\\nLABEL made-for={name}-{secrets.token_hex(4)}\\n"
        build = f"printf '{dockerfile}' | docker build -q -t {REGISTRY}/{name} -"
        self.workstation(f"{build} && docker push -q {REGISTRY}/{name} && docker image rm -f {REGISTRY}/{name}")


def difference(before: dict[str, list[str]], after: dict[str, list[str]]) -> dict[str, list[str]]:
    """What came (+) and went (-) between two snapshots, by kind."""
    found = {}
    for kind in before.keys() | after.keys():
        then, now = set(before.get(kind, [])), set(after.get(kind, []))
        found[kind] = [f"+ {thing}" for thing in sorted(now - then)] + [f"- {thing}" for thing in sorted(then - now)]
    return {kind: things for kind, things in found.items() if things}


def outside() -> dict[str, list[str]]:
    """What a lab could leave behind on the machine that carries it."""
    looks = {
        "interfaces": "ip -br link | awk '{ print $1 }' | sed 's/@.*//'",
        "routes": "ip route",
        # Empty tables and chains of the kernel are there as soon as anyone has looked.
        "rules": r"iptables-save | grep -vE '^(#|\*|COMMIT|:[A-Z]+ ACCEPT)'",
        "mounts": "findmnt -rno TARGET",
        # The dead wait for the first process of this machine to take note of them.
        "processes": "ps -eo stat=,comm= | grep -v ^Z | grep -oE '(docker|containerd|pulumi|named|chromedriver).*'",
        "kernel": "cat /proc/sys/net/ipv4/ip_forward /proc/sys/fs/inotify/max_user_instances",
        "files": "find /etc/docker /etc/cni /etc/systemd/system /var/lib/docker /var/lib/containerd -maxdepth 2",
    }
    return {what: sorted(set(run(["bash", "-c", line]).output.splitlines())) for what, line in looks.items()}


def eventually(what: str, check: Callable[[], bool], seconds: float = 60, every: float = 0.3) -> None:
    """Waits until `check` holds; what was waited for is in the failure."""
    limit = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < limit, f"not within {seconds} s: {what}"
        time.sleep(every)
