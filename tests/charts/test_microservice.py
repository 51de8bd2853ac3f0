"""The chart of the sample services, `microservice`: what its values do."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.charts.helm import Helm, Release, chart

IMAGE = {"repository": "r.example/a", "tag": "1"}


def released(image: dict[str, str] | None = None, name: str = "hello", **values: Any) -> Release:
    """A release with an image, and with these values."""
    return Release(
        "microservice", chart("microservice"), name, "team-hello", {"image": IMAGE | (image or {}), **values}
    )


def by_kind(helm: Helm, release: Release) -> dict[str, Any]:
    """The chart's objects."""
    return {item["kind"]: item for item in helm.objects(release)}


def test_chart_probes_the_service_and_runs_it_as_nobody(helm: Helm) -> None:
    pod = by_kind(helm, released())["Deployment"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert container["securityContext"]["runAsNonRoot"] is True
    assert container["ports"][0]["containerPort"] == 5000
    assert container["image"] == "r.example/a:1"
    assert "limits" in container["resources"]
    assert pod["automountServiceAccountToken"] is False
    assert "imagePullSecrets" not in pod


def test_chart_has_an_ingress_where_it_has_a_host(helm: Helm) -> None:
    assert set(by_kind(helm, released())) == {"Deployment", "Service"}
    ingress = by_kind(helm, released(ingress={"host": "team-hello.k8s.example.com"}))["Ingress"]["spec"]
    assert ingress["rules"][0]["host"] == "team-hello.k8s.example.com"
    assert "ingressClassName" not in ingress, "the cluster's default"
    other = by_kind(helm, released(ingress={"host": "a.b", "className": "x"}))
    assert other["Ingress"]["spec"]["ingressClassName"] == "x"


@pytest.mark.parametrize(
    ("release", "name"),
    [("hello", "hello"), ("9lives", "svc-9lives"), ("2048", "svc-2048"), ("on", "on"), ("1" * 53, "svc-" + "1" * 48)],
)
def test_every_project_has_a_name_that_kubernetes_takes(helm: Helm, release: str, name: str) -> None:
    """A Service's name begins with a letter; and what YAML would read as a number or a truth value is a text."""
    objects = by_kind(helm, released(name=release, ingress={"host": "a.b"}))
    assert {item["metadata"]["name"] for item in objects.values()} == {name}
    assert re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", name)
    assert objects["Service"]["spec"]["selector"]["app.kubernetes.io/instance"] == release
    path = objects["Ingress"]["spec"]["rules"][0]["http"]["paths"][0]
    assert path["backend"]["service"]["name"] == name


def test_chart_needs_an_image(helm: Helm) -> None:
    done = helm.template(released({"repository": ""}))
    assert done.returncode != 0
    assert "image.repository is empty" in done.stderr


def test_chart_uses_a_pull_secret(helm: Helm) -> None:
    pod = by_kind(helm, released({"pullSecret": "registry"}))["Deployment"]["spec"]["template"]["spec"]
    assert pod["imagePullSecrets"] == [{"name": "registry"}]


@pytest.mark.parametrize("name", ["ON", "y", "NULL", "1E3"])
def test_a_variable_may_be_called_what_yaml_takes_for_something_else(helm: Helm, name: str) -> None:
    pod = by_kind(helm, released(env={name: "1"}))["Deployment"]["spec"]["template"]["spec"]
    assert {"name": name, "value": "1"} in pod["containers"][0]["env"]
