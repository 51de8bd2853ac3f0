"""The KUBECONFIG that jobs get: one context for each agent that they may use, all by GitLab's own address.

It names no CA: whoever uses it has to trust GitLab's certificate already, as with the real one.
"""

from __future__ import annotations

from collections.abc import Sequence

import yaml

from gitlab_standin.ci.variables import Variable
from gitlab_standin.database import Row
from gitlab_standin.kas import access
from gitlab_standin.site import Site

PROXY_PATH = "/-/kubernetes-agent/k8s-proxy/"


def of_job(site: Site, project: Row, environment: str | None, protected: bool, token: str) -> list[Variable]:
    """The variable, or nothing where a job may use no agent. A pipeline that is being made has no job's token yet."""
    allowed = access.for_job(site, project, environment, protected)
    if not allowed:
        return []
    return [Variable("KUBECONFIG", _text(f"{site.settings.url}{PROXY_PATH}", allowed, token), public=False, file=True)]


def _text(server: str, allowed: Sequence[access.Access], token: str) -> str:
    return str(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "gitlab", "cluster": {"server": server}}],
                "users": [
                    {"name": f"agent:{one.agent_id}", "user": {"token": f"ci:{one.agent_id}:{token}"}}
                    for one in allowed
                ],
                "contexts": [
                    {
                        "name": one.context,
                        "context": {
                            "cluster": "gitlab",
                            "user": f"agent:{one.agent_id}",
                            **({"namespace": one.namespace} if one.namespace else {}),
                        },
                    }
                    for one in allowed
                ],
            },
            sort_keys=False,
        )
    )
