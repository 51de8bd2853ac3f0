"""A machine that is a node, for the nodes' scripts: each path that they name is one below the test's directory."""

from __future__ import annotations

import subprocess

from tests.scripts.machine import ROOT
from tests.scripts.rooted import Moved

SCRIPTS = ROOT / "components/k8s_node/scripts"
QUIET = ("systemctl", "journalctl", "sleep", "findmnt", "ip", "modprobe", "sysctl")
FOREIGN = "a Kubernetes node that this stack did not make"


class Node(Moved):
    """A machine that has this computer's programs, but for those that would change it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in QUIET:
            self.fake(name, "true")
        self.files({"programs.sh": self.moved(SCRIPTS / "programs.sh"), "kubeadm.yaml": "kubernetesVersion: v1\n"})
        self.variables |= {"VERSION": "1.36.3", "KUBERNETES_URL": "https://mirror.example"}

    def step(self, name: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs a script of the component."""
        return self.impatient(SCRIPTS / f"{name}.sh", **variables)

    def called(self, start: str) -> bool:
        return any(call.startswith(start) for call in self.calls)
