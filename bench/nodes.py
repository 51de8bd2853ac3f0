"""How long a cluster takes to come, measured on bare machines of the lab. Usage: `make bench-nodes`, after `make up`.

Ratios, each from pairs that run in turn on the same computer, with machines that are new each time:

- from bare host to Ready: `pulumi up` of the component, against a plain shell script with the same steps (node.sh);
- `pulumi up` that joins four workers, against one that joins one: once with workers that have a processor each (the
  same share of this computer's), as real ones have; once with workers that share this computer's cores. The second says
  how many cores this computer has rather than how the program joins: one worker's own work fills one core.

Prints each pair; ends with 1 where a median ratio is above the bound that the project promises.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import yaml

from bench.verdict import kept
from components.k8s_node import kubeadm
from components.templates import render
from lab import machines, paths, stack
from lab.inventory import NODES, Machine
from settings.kubernetes import KubernetesSettings

PAIRS = 3
BARE_BOUND, WORKERS_BOUND = 1.25, 1.5
"""The component's time by the script's, and four workers' by one's (the project's second issue)."""
SHARE = 0.3
"""Of one core, for each worker that has a processor of its own: four leave the rest of two cores to the control plane,
the mirror and Pulumi."""
_PERIOD = 100_000
"""Microseconds in which a machine may use its share; the kernel's own default."""
_HERE = Path(__file__).parent
_DEV = {
    key.removeprefix("auto-devops:"): value
    for key, value in yaml.safe_load((paths.REPOSITORY / "Pulumi.dev.yaml").read_text())["config"].items()
}
_KUBERNETES = KubernetesSettings.model_validate(_DEV["kubernetes"])
_MIRRORS = _DEV["mirrors"]


class Command:
    """A command under way; its output goes into a file, as a pipe that nobody reads would fill."""

    def __init__(self, words: list[str], environment: dict[str, str]) -> None:
        self._words = words
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 # closed with the object
        self._process = subprocess.Popen(words, env=environment, stdout=self._log, stderr=subprocess.STDOUT)

    def failed(self) -> bool:
        """Whether it has ended, and not well."""
        return bool(self._process.poll())

    def end(self) -> None:
        """Wait for its end; where that is a failure, it is the benchmark's as well."""
        if self._process.wait():
            self._log.seek(0)
            sys.exit(f"{' '.join(self._words)} failed:\n{self._log.read()[-5000:]}")


def fresh(*wanted: Machine, share: float | None = None) -> None:
    """These spare machines, new; with that share of a core each, or all cores between them."""
    names = [machine.name for machine in wanted]
    for command in ("discard", "spares"):
        _lab(command, *names)
    if share is None:
        return
    for machine in wanted:
        machines.container(machine).update(cpu_period=_PERIOD, cpu_quota=int(_PERIOD * share))


def script(machine: Machine) -> Command:
    """node.sh on the machine, begun."""
    kubeadm_yaml = kubeadm.control_plane(machine.name, machine.address, ["k8s.bench.test"], _KUBERNETES)
    files = {
        "mirror.crt": paths.MIRROR_CA.read_text(),
        "containerd.toml": render("k8s_node/templates/containerd.toml.j2", cri=_KUBERNETES.containerd),
        "kubelet.service": render("k8s_node/templates/kubelet.service.j2"),
        "10-kubeadm.conf": render("k8s_node/templates/10-kubeadm.conf.j2"),
        "cni.conflist": render("k8s_node/templates/cni.conflist.j2"),
        "kubeadm.yaml": kubeadm_yaml,
        "node.sh": (_HERE / "node.sh").read_text(),
    }
    target = machines.container(machine)
    machines.put_files(target, {f"/opt/{name}": (text.encode(), 0o644) for name, text in files.items()})
    variables = {
        "FILES": "/opt",
        "NODE": machine.name,
        "VERSION": _KUBERNETES.version,
        "CNI_VERSION": _KUBERNETES.cni_version,
        "KUBERNETES_URL": _MIRRORS["kubernetes"],
        "CNI_URL": _MIRRORS["cni"],
        "REGISTRIES": " ".join(f"{upstream}={mirror}" for upstream, mirror in _MIRRORS["images"].items()),
    }
    words = [f"{key}='{value}'" for key, value in variables.items()]
    return Command(machines.ssh_command(machine, "env", *words, "bash", "/opt/node.sh"), dict(os.environ))


class Cluster:
    """The component in a stack of its own, whose state is in `directory`."""

    def __init__(self, directory: Path) -> None:
        self._environment = {
            **os.environ,
            **stack.environment(),
            "PULUMI_BACKEND_URL": f"file://{directory}",
        }
        # Of an earlier run, perhaps in another lab, whose passphrase it would want.
        (_HERE / "cluster/Pulumi.bench.yaml").unlink(missing_ok=True)
        self._pulumi("stack", "init")

    def up(self, *nodes: Machine) -> Command:
        """`pulumi up` with these machines, the control plane first, begun."""
        known = [line.split() for line in paths.KNOWN_HOSTS.read_text().splitlines()]
        keys = {address: f"{kind} {key}" for address, kind, key in known if kind.startswith("ecdsa")}
        self._environment["BENCH_CLUSTER"] = json.dumps(
            {
                "machines": {node.name: (node.address, keys[node.address]) for node in nodes},
                "kubernetes": _DEV["kubernetes"] | {"host": None},
                "mirrors": _MIRRORS,
                "mirrorCa": paths.MIRROR_CA.read_text(),
                "privateKey": paths.SSH_KEY.read_text(),
            }
        )
        return Command(self._words("up", "--yes", "--skip-preview"), self._environment)

    def forget(self) -> None:
        """The machines are thrown away, so nothing on them is taken back."""
        self._pulumi("stack", "rm", "--yes", "--force")
        self._pulumi("stack", "init")

    def _pulumi(self, *arguments: str) -> None:
        Command(self._words(*arguments), self._environment).end()

    @staticmethod
    def _words(*arguments: str) -> list[str]:
        return ["pulumi", "--cwd", str(_HERE / "cluster"), *arguments, "--stack", "bench", "--non-interactive"]


def until_ready(begin: Callable[[], Command], machine: Machine) -> float:
    """Seconds from the beginning until the machine's node is Ready; then lets what was begun come to its end."""
    started = time.perf_counter()
    process = begin()
    while not _is_ready(machine):
        if process.failed():
            break
        time.sleep(0.2)
    took = time.perf_counter() - started
    process.end()
    return took


def until_done(begin: Callable[[], Command]) -> float:
    """Seconds until what is begun has ended."""
    started = time.perf_counter()
    begin().end()
    return time.perf_counter() - started


def measure(what: str, titles: tuple[str, str], pair: Callable[[], tuple[float, float]], bound: float | None) -> bool:
    """Print pairs and their ratios; whether the median is within the bound, if there is one."""
    print(f"\n{what}, seconds\n{titles[0]:>12} {titles[1]:>12} {'ratio':>6}")
    ratios = []
    for _ in range(PAIRS):
        mine, theirs = pair()
        ratios.append(mine / theirs)
        print(f"{mine:12.1f} {theirs:12.1f} {ratios[-1]:6.2f}", flush=True)
    return kept(ratios, bound)


def main() -> int:
    """Measure and print; the exit status."""
    first, second, *others = NODES
    with tempfile.TemporaryDirectory() as directory:
        cluster = Cluster(Path(directory))

        def bare() -> tuple[float, float]:
            fresh(first, second)
            mine = until_ready(lambda: cluster.up(first), first)
            cluster.forget()
            fresh(first)  # its services would burden the script
            theirs = until_ready(lambda: script(second), second)
            return mine, theirs

        def joins(*joining: Machine, share: float | None) -> float:
            fresh(first)
            fresh(*joining, share=share)
            cluster.up(first).end()
            took = until_done(lambda: cluster.up(first, *joining))
            cluster.forget()
            _lab("discard", *[machine.name for machine in joining])
            return took

        def workers(share: float | None) -> tuple[float, float]:
            return joins(second, *others, share=share), joins(second, share=share)

        try:
            bare()  # not counted: fills the mirror's caches
            good = measure("from bare host to Ready", ("component", "script"), bare, BARE_BOUND)
            what = "`pulumi up` that joins workers"
            good &= measure(f"{what}, {SHARE} cores each", ("four", "one"), partial(workers, SHARE), WORKERS_BOUND)
            measure(f"{what}, {os.cpu_count()} cores in all", ("four", "one"), partial(workers, None), None)
        finally:
            _lab("discard", *[machine.name for machine in NODES])
    return 0 if good else 1


def _is_ready(machine: Machine) -> bool:
    line = "kubectl --kubeconfig /etc/kubernetes/admin.conf get nodes --no-headers 2>/dev/null | grep -q ' Ready '"
    return bool(machines.container(machine).exec_run(["sh", "-c", line]).exit_code == 0)


def _lab(*arguments: str) -> None:
    Command([sys.executable, "-m", "lab", *arguments], dict(os.environ)).end()


if __name__ == "__main__":
    sys.exit(main())
