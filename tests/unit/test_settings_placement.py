"""What may not share a machine, or needs what is not there."""

from __future__ import annotations

import pytest

from tests.unit.settings_cases import Bad, Config, put, require_named

# What is done to good settings; the key that must be named; words of what is expected; words of the fix.
BAD: dict[str, Bad] = {
    "DNS host unknown": (put("dns.host", "ns1"), "dns.host", "dns, gitlab, k8s, registry", "dns.host dns"),
    "registry's host unknown": (
        put("registry.host", "vm9"),
        "registry.host",
        "a machine under hosts",
        "registry.host dns",
    ),
    "two roles that need port 443": (put("gitlab.host", "registry"), "gitlab.host", "ports 80 and 443", "gitlab.host"),
    "a cluster on the machine of another role": (
        put("kubernetes.host", "gitlab"),
        "kubernetes.host",
        "ports 80 and 443",
        "kubernetes.host dns",
    ),
    "a worker on the registry's machine": (
        put("kubernetes.workers", ["dns", "registry"]),
        "kubernetes.workers[1]",
        "Docker engine of another role; registry.host",
        "config rm --path 'auto-devops:kubernetes.workers[1]'",
    ),
    "a worker on GitLab's machine": (
        put("kubernetes.workers", ["gitlab"]),
        "kubernetes.workers[0]",
        "ports 80 and 443",
        "config rm",
    ),
    "a worker that is no machine": (
        put("kubernetes.workers", ["vm9"]),
        "kubernetes.workers[0]",
        "a machine under hosts: dns, gitlab, k8s, registry",
        "config rm --path 'auto-devops:kubernetes.workers[0]'",
    ),
    "a worker that is the control plane": (
        put("kubernetes.workers", ["k8s"]),
        "kubernetes.workers[0]",
        "not a node already",
        "config rm",
    ),
    "a worker twice": (
        put("kubernetes.workers", ["dns", "dns"]),
        "kubernetes.workers[1]",
        "not a node already",
        "config rm",
    ),
    "workers without a control plane": (
        put("kubernetes", {"workers": ["dns"]}),
        "kubernetes.host",
        "control plane's machine",
        "kubernetes.host dns",
    ),
    "GitLab's host unknown": (put("gitlab.host", "vm9"), "gitlab.host", "a machine under hosts", "gitlab.host dns"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_setting_is_named_with_its_fix(good: Config, kind: str) -> None:
    require_named(good, BAD[kind])
