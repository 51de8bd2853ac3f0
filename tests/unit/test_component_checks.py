"""What a machine is looked at for is what its scripts look at: the same name, variables and script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components import k8s_node
from components.host import Check
from components.host.shell import text
from preflight import plan
from settings.stack import Stack
from tests.unit.program import ROOT, Run, load_with, unpacked
from tests.unit.recording import plain
from tests.unit.settings_cases import HELLO


def checks(stack: Stack) -> list[Check]:
    """Those of the components, but what every machine is looked at for first: sudo is explained there."""
    planned = (check for found in plan.checks(stack, set()).values() for check in found)
    ours = [check for check in planned if check.script.is_relative_to(ROOT / "components")]
    return [check for check in ours if not check.name.endswith("-ready")]


@pytest.fixture
def full(good: dict[str, Any], host_key: str) -> dict[str, Any]:
    """Settings with a worker and a project."""
    good["hosts"]["worker"] = {"address": "192.168.80.97", "hostKey": host_key, "adopt": ["/etc/kubernetes"]}
    good["kubernetes"]["workers"] = ["worker"]
    return good | {"projects": [HELLO]}


def test_every_check_has_the_name_of_a_resource(full: dict[str, Any], run_program: Run) -> None:
    """By which a script knows whether it has begun on the machine."""
    commands = {each.name for each in run_program(full).of_type("command:remote:Command")}
    stack = load_with(full)
    planned = [check for found in plan.checks(stack, set(stack.machines)).values() for check in found]
    assert planned and {check.name for check in planned} <= commands, {check.name for check in planned} - commands


@pytest.mark.parametrize("changes", [{}, {"gitlab": {"sshPort": 2224}, "kubernetes": {"ingressPorts": "nodePort"}}])
def test_the_same_is_looked_at(full: dict[str, Any], run_program: Run, changes: dict[str, Any]) -> None:
    config = full
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
    assert registered - ready == {check.name for check in seen}, "a check that the preflight does not know"


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
