"""What a machine is looked at for is what its scripts look at: the same name, variables and script."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from components import dns, gitlab_runner, gitlab_server, k8s_node
from components.host import Check
from components.host.shell import text
from settings.stack import Stack
from tests.unit.conftest import Run, load_with, unpacked
from tests.unit.recording import plain


def checks(stack: Stack) -> list[Check]:
    """Those of all components, as the program names them."""
    machines, server = stack.machines, stack.machines["dns"].address
    kubernetes, downloads = stack.kubernetes, stack.downloads
    return [
        dns.check("dns", machines["dns"], stack.domain),
        *(dns.resolver_check("dns", machine, server, stack.domain) for machine in machines.values()),
        gitlab_server.check("gitlab-server", machines["gitlab"], stack.names, stack.gitlab),
        gitlab_runner.check("gitlab-runner", machines["gitlab"]),
        k8s_node.check("k8s-node", machines["k8s"], "control-plane", kubernetes, downloads, server),
        k8s_node.check("k8s-node", machines["worker"], "worker", kubernetes, downloads, server),
    ]


@pytest.mark.parametrize("changes", [{}, {"gitlab": {"sshPort": 2224}, "kubernetes": {"ingressPorts": "nodePort"}}])
def test_the_same_is_looked_at(good: dict[str, Any], host_key: str, run_program: Run, changes: dict[str, Any]) -> None:
    config = copy.deepcopy(good)
    config["hosts"]["worker"] = {"address": "192.168.80.97", "hostKey": host_key, "adopt": ["/etc/kubernetes"]}
    config["kubernetes"]["workers"] = ["worker"]
    for section, values in changes.items():
        config[section] |= values
    recorder = run_program(config)
    seen = checks(load_with(config))
    for check in seen:
        command = recorder.one(check.name)
        assert check.command == plain(command.inputs["create"]).replace(f"{check.name} install", f"{check.name} check")
        assert unpacked(command)["check.sh"] == text(check.script)
    registered = {command.name for command in recorder.everything if _has_check(command)}
    ready = {f"{name}-ready" for name in config["hosts"]}
    ours = {name for name in registered - ready if "docker" not in name}
    assert ours == {check.name for check in seen}, "a check without a function for the preflight"


def _has_check(command: Any) -> bool:
    return command.type == "command:remote:Command" and "check.sh" in unpacked(command)


@pytest.mark.parametrize(
    ("kubernetes", "allowed"),
    [
        ({}, "no"),
        ({"version": "1.34.1"}, "yes"),
        ({"kubeadm": {"KubeletConfiguration": {"failCgroupV1": False}}}, "yes"),
        ({"version": "1.34.1", "kubeadm": {"KubeletConfiguration": {"failCgroupV1": True}}}, "no"),
    ],
)
def test_what_the_kubelet_bears(good: dict[str, Any], kubernetes: dict[str, Any], allowed: str) -> None:
    good["kubernetes"] |= kubernetes
    stack = load_with(good)
    check = k8s_node.check("n", stack.machines["k8s"], "worker", stack.kubernetes, stack.downloads, "")
    assert check.variables["ALLOW_CGROUP_V1"] == allowed
    assert Path(check.script).exists()
