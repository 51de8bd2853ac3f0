"""What a project's pipeline may do in the cluster, and what it authenticates with: pure functions."""

from __future__ import annotations

import base64
import json
from typing import Any

import yaml

ACCOUNT = "deployer"
TOKEN = "deployer-token"
PULL_SECRET = "registry"

_ALL = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"]
_READ = ["get", "list", "watch"]

RULES: list[dict[str, Any]] = [
    # What releases are made of, and Helm's own memory (Secrets).
    {
        "apiGroups": [""],
        "resources": ["configmaps", "secrets", "services", "serviceaccounts", "persistentvolumeclaims", "pods"],
        "verbs": _ALL,
    },
    {"apiGroups": ["apps"], "resources": ["deployments", "replicasets", "statefulsets"], "verbs": _ALL},
    {
        "apiGroups": ["apps"],
        "resources": ["deployments/scale", "statefulsets/scale"],
        "verbs": ["get", "update", "patch"],
    },
    {"apiGroups": ["batch"], "resources": ["jobs", "cronjobs"], "verbs": _ALL},
    {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses", "networkpolicies"], "verbs": _ALL},
    {"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"], "verbs": _ALL},
    {"apiGroups": ["policy"], "resources": ["poddisruptionbudgets"], "verbs": _ALL},
    # Why something does not start.
    {"apiGroups": [""], "resources": ["events", "pods/log"], "verbs": _READ},
    # Auto DevOps asks whether the namespace is there before it would make one. In a Role this is the own one alone.
    {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]},
]
"""The rules of the Role: what Helm and a deployment need in the project's own namespace. Neither roles, with which the
account could give itself more, nor a shell in pods."""

AGENT_RULES: list[dict[str, Any]] = [
    # GitLab's agent takes a lease before it does anything on its own, and says so.
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
]
"""Further rules of the Role where GitLab's agent runs under the account."""


def kubeconfig(server: str, ca: str, token: str, namespace: str) -> str:
    """The kubeconfig of the deployer's account. `ca` and `token` are base64, as a token's Secret has them."""
    name = f"{ACCOUNT}@{namespace}"
    return str(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "cluster", "cluster": {"server": server, "certificate-authority-data": ca}}],
                "users": [{"name": ACCOUNT, "user": {"token": base64.b64decode(token).decode()}}],
                "contexts": [
                    {"name": name, "context": {"cluster": "cluster", "user": ACCOUNT, "namespace": namespace}}
                ],
                "current-context": name,
            },
            sort_keys=False,
        )
    )


def docker_config(registry: str, username: str, password: str) -> str:
    """Docker's config.json with one login, without spaces: GitLab masks no value with one."""
    login = base64.b64encode(f"{username}:{password}".encode()).decode()
    return json.dumps({"auths": {registry: {"auth": login}}}, separators=(",", ":"))


def curl_header(token: str) -> str:
    """A configuration file with which curl sends GitLab's token, so that the token is on no command line."""
    return f'header = "PRIVATE-TOKEN: {token.strip()}"\n'
