"""ProjectAgent: GitLab's agent for Kubernetes, for one project's pipelines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_gitlab as gitlab

from components.auto_devops_project.delivery import Delivery
from components.chart_release import ChartRelease, gitlab_charts
from components.checksum import checksum
from components.cluster_object import ClusterObject
from components.secrets import secret
from names import AGENT_RELEASE
from settings.projects import ProjectSettings

AGENT = "cluster"
"""What the agent is called in its project."""
CHART = "gitlab-agent"
TOKEN = "gitlab-agent-token"


@dataclass(frozen=True)
class ProjectAgentArgs:
    """`project` is the one in GitLab that `settings` describe; the agent acts as `account` in its namespace.

    `after` are the namespace and the account, without which it cannot start.
    """

    delivery: Delivery
    settings: ProjectSettings
    project: gitlab.Project
    account: str
    after: Sequence[pulumi.Resource]


class ProjectAgent(pulumi.ComponentResource):
    """An agent that connects out from the cluster to GitLab, through which the project's jobs reach the cluster.

    Owns: the agent in GitLab with its token; in the namespace the token's Secret and the release of GitLab's chart.
    Does not own: the account that it acts as, which decides what jobs may do; any file in the repository: GitLab lets
    an agent's own project use it without one. With one (`.gitlab/agents/cluster/config.yaml`) people may restrict it.
    """

    context: pulumi.Output[str]
    """Its name in the KUBECONFIG that GitLab gives to jobs."""
    release: pulumi.Resource

    def __init__(self, name: str, args: ProjectAgentArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("auto-devops:index:ProjectAgent", name, None, opts)
        delivery, namespace, ca = args.delivery, args.settings.slug, args.delivery.site.ca
        in_gitlab = pulumi.ResourceOptions(parent=self, provider=delivery.gitlab.provider)
        # Nodes have to know GitLab's name before it can start.
        after = [*args.after, *delivery.ready]
        agent = gitlab.ClusterAgent(f"{name}-agent", project=args.project.id, name=AGENT, opts=in_gitlab)
        token = gitlab.ClusterAgentToken(
            f"{name}-token",
            project=args.project.id,
            agent_id=agent.agent_id,
            name="auto-devops",
            description="What the agent in the cluster connects with",
            opts=in_gitlab,
        )
        held = ClusterObject(
            f"{name}-secret",
            kind="Secret",
            content={
                "metadata": {"name": TOKEN, "namespace": namespace},
                "type": "Opaque",
                "stringData": {"token": secret(token.token)},
            },
            parent=self,
            provider=delivery.cluster.provider,
            after=after,
        )
        # It reads both at its start only. The token's number stands for the token, which is no annotation's matter.
        digest = pulumi.Output.all(token.token_id, ca.certificate).apply(
            lambda both: checksum(f"{int(both[0])}\n{both[1]}")
        )
        self.release = ChartRelease(
            f"{name}-release",
            release=AGENT_RELEASE,
            namespace=namespace,
            chart=CHART,
            version=delivery.ci.agent_chart,
            repository=gitlab_charts(delivery.site.downloads.mirrors),
            values=values(args, digest),
            parent=self,
            provider=delivery.cluster.provider,
            after=[held, *after],
        )
        self.context = agent.agent_id.apply(lambda _: f"{args.settings.path}:{AGENT}")
        self.register_outputs({"context": self.context})


def values(args: ProjectAgentArgs, digest: pulumi.Input[str]) -> dict[str, Any]:
    """The chart's values."""
    site = args.delivery.site
    # By upstream's name: nodes know the mirrors. The chart puts a colon between the two; in a digest too.
    repository, _, tag = args.delivery.ci.images.agent.rpartition(":")
    return {
        "image": {"repository": repository, "tag": tag},
        # More of them would choose a leader for work that this agent is not given.
        "replicas": 1,
        "config": {
            "kasAddress": f"wss://{site.names.gitlab}/-/kubernetes-agent/",
            "kasCaCert": site.ca.certificate,
            "secretName": TOKEN,
            # It reads the whole cluster, by accounts of its own.
            "operational_container_scanning": {"enabled": False},
        },
        # Not the chart's own: that is the whole cluster's administrator.
        "rbac": {"create": False},
        "serviceAccount": {"create": False, "name": args.account},
        "podAnnotations": {"auto-devops/checksum": digest},
        "podSecurityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": 1000,
        },
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
    }
