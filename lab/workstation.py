"""Makes the lab's workstation a user's computer of the platform, with the very script the README gives to users."""

from __future__ import annotations

import json

from lab import kubernetes, machines, paths, stack
from lab.inventory import WORKSTATION
from lab.steps import StepLog

_RELEASE_LEASES = paths.SOURCES / "release_leases.sh"
_SCRIPT = paths.REPOSITORY / "tools/setup_workstation.py"


def set_up(log: StepLog) -> str:
    """Run the script on the workstation, with the stack's outputs as a user would give them to it."""
    outputs = json.dumps(stack.outputs(secret=True)).encode()
    target = machines.container(WORKSTATION)
    files = {f"/root/{_SCRIPT.name}": (_SCRIPT.read_bytes(), 0o755)}
    # A user installs kubectl; here is the one that the mirror has.
    kubectl = kubernetes.Component("kubernetes", kubernetes.VERSION).programs / "kubectl"
    if target.exec_run(["test", "-x", "/usr/local/bin/kubectl"]).exit_code:
        files["/usr/local/bin/kubectl"] = (kubectl.read_bytes(), 0o755)
    machines.put_files(target, files)
    log.run(machines.ssh_command(WORKSTATION, f"/root/{_SCRIPT.name}"), stdin=outputs)
    return "CA, resolver, Docker context and kubeconfig set"


def release_leases(log: StepLog) -> str:
    """Wait for the cluster that has just booted, and free what is leased to processes of before."""
    log.awaiting("the cluster's API")
    said = log.run(machines.ssh_command(WORKSTATION, "timeout 90 bash -ls"), stdin=_RELEASE_LEASES.read_bytes())
    return f"{said.count('patched')} freed"
