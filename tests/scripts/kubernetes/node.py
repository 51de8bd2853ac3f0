"""A machine that is a node, for the nodes' scripts: each path that they name is one below the test's directory."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.scripts.machine import LIBRARIES, ROOT, Machine

SCRIPTS = ROOT / "components/k8s_node/scripts"
PATHS = re.compile(r"(?<![\w./$}-])/(?=(etc|var|usr/local|opt|run|root|proc|sys)/)")
QUIET = ("systemctl", "journalctl", "sleep", "findmnt", "ip", "modprobe", "sysctl")
FOREIGN = "a Kubernetes node that this stack did not make"


class Node(Machine):
    """A machine whose root is `root`; what our stack remembers there is in `state`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in QUIET:
            self.fake(name, "true")
        for tables in ("iptables", "ip6tables"):
            self.fake(f"{tables}-save", "true")
        self.state = self.root / "var/lib/auto-devops"
        self.state.mkdir(parents=True)
        self.files({"programs.sh": self.moved(SCRIPTS / "programs.sh"), "kubeadm.yaml": "kubernetesVersion: v1\n"})
        self.variables |= {"VERSION": "1.36.3", "KUBERNETES_URL": "https://mirror.example"}

    def moved(self, script: Path) -> str:
        return PATHS.sub(f"{self.root}/", script.read_text())

    @property
    def library(self) -> str:
        """The functions that scripts have, where this machine is."""
        return "".join(self.moved(path) for path in LIBRARIES)

    def step(self, name: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs a script of the component. It waits for nothing: what is not there at once, does not come."""
        copy = self.root / "tmp" / f"{name}.sh"
        impatient = re.sub(r"\bawait \d+", "await 0", self.moved(SCRIPTS / f"{name}.sh"))
        copy.write_text(self.library + impatient)
        return self.run(copy, **variables)

    def write(self, path: str, text: str = "") -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def called(self, start: str) -> bool:
        return any(call.startswith(start) for call in self.calls)
