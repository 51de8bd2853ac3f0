"""ProjectAgent: GitLab's agent for Kubernetes, for one project's pipelines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_gitlab as gitlab
import pulumi_kubernetes as kubernetes

from components.chart_repository import ChartRepository
from components.checksum import checksum
from components.cluster_object import ClusterObject

AGENT = "cluster"
"""What the agent is called in its project."""
CHART = "gitlab-agent"
RELEASE = "gitlab-agent"
TOKEN = "gitlab-agent-token"


@dataclass(frozen=True)
class AgentArgs:
    """What the agents of all projects share.

    `ca` is what they check GitLab's certificate against, `chart_version` the version of GitLab's chart, `image` the
    agent's image by upstream's name: nodes know the mirrors.
    """

    ca: pulumi.Input[str]
    charts: ChartRepository
    chart_version: str
    image: str


@dataclass(frozen=True)
class ProjectAgentArgs:
    """`project` is the one in GitLab, `path` its `<group>/<project>`; the agent acts as `account` in `namespace`.

    `ready` is what it needs before it can start: namespace and account, and nodes that know GitLab's name.
    """

    shared: AgentArgs
    domain: str
    project: gitlab.Project
    path: str
    namespace: str
    account: str
    gitlab_provider: pulumi.ProviderResource
    kubernetes_provider: pulumi.ProviderResource
    ready: Sequence[pulumi.Resource] = ()


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
        in_gitlab = pulumi.ResourceOptions(parent=self, provider=args.gitlab_provider)
        agent = gitlab.ClusterAgent(f"{name}-agent", project=args.project.id, name=AGENT, opts=in_gitlab)
        token = gitlab.ClusterAgentToken(
            f"{name}-token",
            project=args.project.id,
            agent_id=agent.agent_id,
            name="auto-devops",
            description="What the agent in the cluster connects with",
            opts=in_gitlab,
        )
        secret = ClusterObject(
            "core/v1",
            "Secret",
            f"{name}-secret",
            {
                "metadata": {"name": TOKEN, "namespace": args.namespace},
                "type": "Opaque",
                "stringData": {"token": pulumi.Output.secret(token.token)},
            },
            self,
            args.kubernetes_provider,
            args.ready,
        )
        # It reads both at its start only. The token's number stands for the token, which is no annotation's matter.
        digest = pulumi.Output.all(token.token_id, args.shared.ca).apply(
            lambda both: checksum(f"{int(both[0])}\n{both[1]}")
        )
        self.release = kubernetes.helm.v3.Release(
            f"{name}-release",
            name=RELEASE,
            namespace=args.namespace,
            chart=CHART,
            version=args.shared.chart_version,
            repository_opts=args.shared.charts.options(),
            values=values(args, digest),
            timeout=600,
            opts=pulumi.ResourceOptions(
                parent=self, provider=args.kubernetes_provider, depends_on=[secret, *args.ready]
            ),
        )
        self.context = agent.agent_id.apply(lambda _: f"{args.path}:{AGENT}")
        self.register_outputs({"context": self.context})


def values(args: ProjectAgentArgs, digest: pulumi.Input[str]) -> dict[str, Any]:
    """The chart's values."""
    # The chart puts a colon between the two; in a digest too.
    repository, _, tag = args.shared.image.rpartition(":")
    return {
        "image": {"repository": repository, "tag": tag},
        # More of them would choose a leader for work that this agent is not given.
        "replicas": 1,
        "config": {
            "kasAddress": f"wss://gitlab.{args.domain}/-/kubernetes-agent/",
            "kasCaCert": args.shared.ca,
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
