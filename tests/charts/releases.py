"""The releases that the tests look at: the program's own, and what projects deploy with the charts of theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.charts.helm import Release, chart
from tests.unit.program import ROOT, good_settings, run_with
from tests.unit.recording import plain

RELEASE = "kubernetes:helm.sh/v3:Release"
_IN_CLUSTER: dict[str, Any] = {
    "ci": {"runner": "kubernetes", "clusterLink": "agent"},
    "projects": [{"group": "team", "name": "hello", "pipeline": "custom"}],
}
# Stacks whose releases are unlike: settings to add, and what is added to those of Kubernetes.
STACKS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": (_IN_CLUSTER, {}),
    "redirect": ({}, {"ingressPorts": "redirect"}),
}
# Which of their releases are looked at, by stack and by Helm's name; a test says when one is missing here.
OF_PROGRAM = (
    ("plain", "ingress"),
    ("plain", "metrics"),
    ("plain", "storage"),
    ("plain", "gitlab-agent"),
    ("plain", "gitlab-runner-team-hello"),
    ("redirect", "ingress"),
)


def of_program(stack: str, keys: Path) -> dict[str, Release]:
    """The releases that the program registers with a stack's settings, by Helm's name."""
    settings = good_settings(keys)
    added, of_kubernetes = STACKS[stack]
    settings["kubernetes"] |= of_kubernetes
    found = {}
    for resource in run_with(settings | added).of_type(RELEASE):
        inputs = plain(resource.inputs)
        # Ours are given by their folder, those of a repository by their name.
        folder = chart(Path(inputs["chart"]).name)
        found[inputs["name"]] = Release(
            f"{stack}-{inputs['name']}", folder, inputs["name"], inputs["namespace"], inputs["values"]
        )
    return found


def of_projects() -> list[Release]:
    """What pipelines deploy: as services/*/.gitlab-ci.yml and Auto DevOps give the values, and with other ones."""
    image = {"repository": "registry.devops.example.com/team/hello", "tag": "0123456789abcdef"}
    microservice, auto, article = chart("microservice"), chart("auto-deploy-app"), chart("gitlab-hello-world")
    host = {"host": "team-hello.k8s.devops.example.com"}
    more = {
        "replicas": 3,
        "image": image,
        "port": 8080,
        "env": {"GREETING": "hello", "LEVEL": 3, "DEBUG": True},
        "probes": {"path": "/ready", "startSeconds": 5},
        "service": {"port": 8000},
        "ingress": host | {"className": "other", "tlsSecret": "certificate", "annotations": {"example.com/a": "b"}},
        "resources": {"limits": {"cpu": 1, "memory": "64Mi"}},
    }
    of_auto = yaml.safe_load((ROOT / "services/hello-auto/.gitlab/auto-deploy-values.yaml").read_text())
    of_auto |= {
        "image": image | {"secrets": [{"name": "gitlab-registry"}]},
        "gitlab": {"app": "team-hello", "env": "production", "envName": "production", "envURL": "http://a.b"},
        "service": {"url": "http://team-hello.k8s.devops.example.com"},
    }
    return [
        Release(
            "by-pipeline", microservice, "hello", "team-hello", {"image": image | {"pullSecret": ""}, "ingress": host}
        ),
        Release("with-pull-secret", microservice, "hello", "team-hello", {"image": image | {"pullSecret": "registry"}}),
        Release("with-other-values", microservice, "9lives", "team-hello", more),
        Release("by-auto-devops", auto, "production", "team-hello", of_auto),
        Release("by-the-article", article, "gitlab-hello-world", "team-hello", {"image": image, "ingress": host}),
    ]
