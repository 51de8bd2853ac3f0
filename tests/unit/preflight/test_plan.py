"""Which machine is looked at for what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import settings
from components.host import Check
from preflight import needs, plan
from settings import Stack
from tests.unit.settings_cases import HELLO

MIRRORS = {
    "images": {"docker.io": "mirror.corp:5000/hub", "registry.k8s.io": "mirror.corp:5000", "registry.gitlab.com": "m2"},
    "kubernetes": "https://mirror.corp/k8s",
    "cni": "https://mirror.corp/cni",
}


@pytest.fixture
def full(good: dict[str, Any]) -> dict[str, Any]:
    """Settings with a project and a worker."""
    good["hosts"]["worker"] = {"address": "192.168.80.97", "hostKey": None}
    good["kubernetes"]["workers"] = ["worker"]
    good["projects"] = [HELLO]
    return good


@pytest.fixture
def stack(full: dict[str, Any], host_key: str) -> Stack:
    full["hosts"]["worker"]["hostKey"] = host_key
    return settings.parse(full)


def of(stack: Stack, machine: str, script: str) -> list[Check]:
    """The checks of a machine by one script."""
    return [check for check in plan.checks(stack, set(stack.machines))[machine] if check.script.name == script]


def test_every_machine_is_looked_at_for_what_all_have(stack: Stack) -> None:
    for machine in stack.machines:
        assert len(of(stack, machine, "check.sh")) >= 1 and len(of(stack, machine, "apt.sh")) == 1


@pytest.mark.parametrize(
    ("machine", "wanted", "parts"),
    [
        ("dns", 128, "BIND"),
        ("registry", 1024, "the registry and the shared engine"),
        ("gitlab", 8192, "GitLab (gitlab.memory standard)"),
        ("k8s", 2048, "a control plane"),
        ("worker", 1024, "a worker"),
    ],
)
def test_memory(stack: Stack, machine: str, wanted: int, parts: str) -> None:
    (check,) = of(stack, machine, "memory.sh")
    assert (check.variables["WANTED"], check.variables["PARTS"]) == (str(wanted), parts)


def test_memory_of_a_shared_machine_is_a_sum(good: dict[str, Any]) -> None:
    good["dns"]["host"], good["gitlab"]["memory"] = "gitlab", "constrained"
    (check,) = of(settings.parse(good), "gitlab", "memory.sh")
    assert check.variables["WANTED"] == str(4096 + 128)
    assert check.variables["PARTS"] == "GitLab (gitlab.memory constrained) and BIND"
    assert check.name == "gitlab-server-docker-engine"


def test_sources_upstream(stack: Stack) -> None:
    assert urls(stack, "registry") == ["https://registry-1.docker.io/v2/", "https://registry.gitlab.com/v2/"]
    assert urls(stack, "gitlab") == ["https://registry-1.docker.io/v2/", "https://registry.gitlab.com/v2/"]
    assert urls(stack, "worker") == [
        "https://registry-1.docker.io/v2/",
        "https://registry.k8s.io/v2/",
        "https://dl.k8s.io/release/v1.36.3/bin/linux/@ARCHITECTURE@/kubeadm.sha256",
        "https://github.com/containernetworking/plugins/releases/download/v1.9.1/"
        "cni-plugins-linux-@ARCHITECTURE@-v1.9.1.tgz.sha256",
    ]
    assert urls(stack, "dns") == []


def test_sources_are_the_mirrors_where_there_are(full: dict[str, Any], host_key: str) -> None:
    full["hosts"]["worker"]["hostKey"] = host_key
    stack = settings.parse(full | {"mirrors": MIRRORS})
    assert urls(stack, "registry") == ["https://mirror.corp:5000/v2/", "https://m2/v2/"]
    assert urls(stack, "worker")[0] == "https://mirror.corp:5000/v2/"
    assert urls(stack, "worker")[1].startswith("https://mirror.corp/k8s/release/")
    assert urls(stack, "worker")[2].startswith("https://mirror.corp/cni/v1.9.1/")


def test_an_engines_own_mirror_stands_for_docker_hub(good: dict[str, Any]) -> None:
    stack = settings.parse(good | {"docker": {"registryMirrors": ["https://hub.corp"]}})
    assert urls(stack, "registry") == ["https://hub.corp/v2/"]


def urls(stack: Stack, machine: str) -> list[str]:
    """What a machine downloads from."""
    return [source.url for found in needs.sources(stack, machine).values() for source in found]


def ports(stack: Stack, machine: str) -> set[tuple[str, int]]:
    """The ports of others that a machine needs."""
    return {(port.target, port.port) for port in needs.ports(stack)[machine]}


def test_ports(stack: Stack) -> None:
    assert ports(stack, "dns") == set()
    assert ports(stack, "registry") == {("dns", 53), ("gitlab", 4567), ("gitlab", 443)}
    assert ports(stack, "gitlab") == {("dns", 53), ("registry", 2376), ("registry", 443), ("k8s", 6443)}
    assert ports(stack, "k8s") == {
        ("dns", 53),
        ("worker", 10250),
        ("registry", 443),
        ("gitlab", 4567),
        ("gitlab", 443),
    }
    assert ("k8s", 6443) in ports(stack, "worker")
    assert ports(stack, "") == {("registry", 2376), ("gitlab", 2376), ("gitlab", 443), ("k8s", 6443)}


def test_ports_of_jobs_in_the_cluster(full: dict[str, Any], host_key: str) -> None:
    full["hosts"]["worker"]["hostKey"] = host_key
    stack = settings.parse(full | {"ci": {"runner": "kubernetes", "clusterLink": "agent"}})
    assert ("registry", 2376) in ports(stack, "k8s") and ("registry", 2376) not in ports(stack, "gitlab")
    assert ("k8s", 6443) not in ports(stack, "gitlab")


def test_ports_of_a_machine_that_is_down_are_not_looked_for(stack: Stack) -> None:
    reached = set(stack.machines) - {"dns"}
    lines = [
        check.variables["PORTS"] for check in plan.checks(stack, reached)["k8s"] if check.script.name == "ports.sh"
    ]
    assert lines and "|dns|" not in lines[0] and "|worker|" in lines[0]


def test_charts_only_where_this_computer_asks_for_them(stack: Stack, full: dict[str, Any]) -> None:
    assert needs.charts(stack) is None
    in_cluster = settings.parse(full | {"ci": {"runner": "kubernetes"}})
    assert needs.charts(in_cluster) == "https://charts.gitlab.io/index.yaml"


def test_who_builds_and_who_runs(stack: Stack, good: dict[str, Any]) -> None:
    assert plan.images_from(stack) == ("registry", {"k8s", "worker", "gitlab"})
    del good["projects"]
    assert plan.images_from(settings.parse(good)) is None


def test_checks_need_no_file_of_their_own() -> None:
    assert {path.suffix for path in Path(plan.SCRIPTS).iterdir()} == {".sh"}
