"""Wrong settings of the runner and of the images of its jobs."""

from __future__ import annotations

import pytest

import settings
from settings.problems import Problem
from tests.unit.settings_cases import Bad, Config, problems, put, require_named

# What is done to good settings; the key that must be named; words of what is expected; words of the fix.
BAD: dict[str, Bad] = {
    "runner unknown": (put("ci.runner", "podman"), "ci.runner", "'docker'", "ci.runner docker"),
    "tag with a comma": (put("ci.tags", ["docker,linux"]), "ci.tags[0]", "without commas", "ci.tags"),
    "tag of nothing": (put("ci.tags", [" "]), "ci.tags[0]", "without commas", "ci.tags"),
    "chart with a v": (put("ci.runnerChart", "v1"), "ci.runnerChart", "a whole version without v", "0.93.0"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_setting_is_named_with_its_fix(good: Config, kind: str) -> None:
    require_named(good, BAD[kind])


def test_a_runner_in_the_cluster_needs_a_cluster(good: Config) -> None:
    good["ci"] = {"runner": "kubernetes"}
    assert settings.parse(good).ci.runner == "kubernetes"
    del good["kubernetes"]
    (problem,) = problems(good)
    assert problem.key == "ci.runner"
    assert "there is no cluster" in problem.expected
    assert problem.fix == "pulumi config set --path auto-devops:ci.runner docker"


@pytest.mark.parametrize("value", ["mirror.corp/go", "https://mirror.corp/go direct", ""])
def test_bad_go_proxy(good: Config, value: str) -> None:
    good["ci"] = {"goProxy": value}
    found: list[Problem] = problems(good)
    assert [p.key for p in found] == ["ci.goProxy"]
    assert "GOPROXY" in found[0].expected


@pytest.mark.parametrize("value", ["https://mirror.corp/go,direct", "off", "https://a|https://b"])
def test_good_go_proxy(good: Config, value: str) -> None:
    assert settings.parse(good | {"ci": {"goProxy": value}}).ci.go_proxy == value


def test_agents_need_kas(good: Config) -> None:
    good["ci"] = {"clusterLink": "agent"}
    assert settings.parse(good).ci.cluster_link == "agent"
    good["gitlab"] = good["gitlab"] | {"kas": False}
    (problem,) = problems(good)
    assert (problem.key, problem.found) == ("gitlab.kas", "false")
    assert "ci.clusterLink is agent" in problem.expected
    assert problem.fix == (
        "pulumi config set --path auto-devops:gitlab.kas true, or "
        "pulumi config set --path auto-devops:ci.clusterLink kubeconfig"
    )
    good["ci"] = {}
    assert settings.parse(good).ci.cluster_link == "kubeconfig", "without agents, KAS may be off"


def test_an_unknown_link_names_those_that_are_known(good: Config) -> None:
    good["ci"] = {"clusterLink": "agents"}
    (problem,) = problems(good)
    assert problem.fix == "pulumi config set --path auto-devops:ci.clusterLink agent"


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ({}, ["helper:x86_64-v19.4.0", "helper:arm64-v19.4.0"]),
        (
            {"runner": "docker.io/gitlab/gitlab-runner:alpine-v19.3.1"},
            ["helper:x86_64-v19.3.1", "helper:arm64-v19.3.1"],
        ),
        ({"runner": "docker.io/gitlab/gitlab-runner:latest"}, []),
        ({"helper": "mirror.corp/helper:1"}, ["mirror.corp/helper:1"]),
    ],
)
def test_names_of_the_runners_helper(good: Config, images: dict[str, str], expected: list[str]) -> None:
    stack = settings.parse(good | {"ci": {"images": images}})
    upstream = "registry.gitlab.com/gitlab-org/gitlab-runner/gitlab-runner-"
    assert [name.removeprefix(upstream) for name in stack.ci.helper_images(stack.downloads)] == expected
