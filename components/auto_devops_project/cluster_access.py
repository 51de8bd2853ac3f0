"""A project's namespace in the cluster, and its pipeline's access to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_gitlab as gitlab

from components.auto_devops_project import access
from components.auto_devops_project.ci_variables import Variable, docker_config
from components.auto_devops_project.delivery import Delivery
from components.auto_devops_project.project_agent import ProjectAgent, ProjectAgentArgs
from components.cluster_object import ClusterObject
from components.secrets import secret
from settings.projects import ProjectSettings

RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True)
class ProjectAccess:
    """The CI `variables` with which a pipeline reaches the cluster, and the resources that must be `ready` before.

    The variables are protected: only pipelines of protected branches deploy.
    """

    variables: Mapping[str, Variable]
    ready: Sequence[pulumi.Resource]


@dataclass(frozen=True)
class _Namespace:
    """The namespace of a project. Each object is a resource below `owner`, the project's component called `name`."""

    name: str
    owner: pulumi.Resource
    delivery: Delivery
    settings: ProjectSettings

    def object(
        self, role: str, kind: str, content: Mapping[str, Any], *, after: Sequence[pulumi.Resource], version: str = "v1"
    ) -> ClusterObject:
        return ClusterObject(
            f"{self.name}-{role}",
            kind=kind,
            version=version,
            content=content,
            parent=self.owner,
            provider=self.delivery.cluster.provider,
            after=after,
        )

    def inside(self, called: str, **metadata: Any) -> dict[str, Any]:
        """The metadata of an object in the namespace."""
        return {"metadata": {"name": called, "namespace": self.settings.slug, **metadata}}


def give_access(
    name: str, owner: pulumi.Resource, delivery: Delivery, settings: ProjectSettings, project: gitlab.Project
) -> ProjectAccess:
    """Makes the namespace of a project, the one account of its pipeline there, and a kubeconfig or an agent for it."""
    space = _Namespace(name, owner, delivery, settings)
    # The account may make pods. One with the node's disk, network or privileges would be root of the cluster.
    metadata = {"name": settings.slug, "labels": {"pod-security.kubernetes.io/enforce": "baseline"}}
    made = space.object("namespace", "Namespace", {"metadata": metadata}, after=[])
    account = space.object("account", "ServiceAccount", space.inside(access.ACCOUNT), after=[made])
    rules = [*access.RULES, *access.AGENT_RULES] if delivery.by_agent else access.RULES
    role = space.object(
        "role", "Role", {**space.inside(access.ACCOUNT), "rules": rules}, version=f"{RBAC}/v1", after=[made]
    )
    binding = space.object(
        "binding",
        "RoleBinding",
        {
            **space.inside(access.ACCOUNT),
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": access.ACCOUNT},
            "subjects": [{"kind": "ServiceAccount", "name": access.ACCOUNT, "namespace": settings.slug}],
        },
        version=f"{RBAC}/v1",
        after=[made],
    )
    needed: list[pulumi.Resource] = [role, binding]
    if delivery.login:
        content = {
            **space.inside(access.PULL_SECRET),
            "type": "kubernetes.io/dockerconfigjson",
            "stringData": {".dockerconfigjson": docker_config(delivery.site.names.registry, delivery.login)},
        }
        needed.append(space.object("pull-secret", "Secret", content, after=[made]))
    if delivery.by_agent:
        agent = ProjectAgent(
            f"{name}-agent",
            ProjectAgentArgs(delivery, settings, project, account=access.ACCOUNT, after=[account, binding]),
            pulumi.ResourceOptions(parent=owner),
        )
        return ProjectAccess({"KUBE_CONTEXT": Variable(agent.context, protected=True)}, [*needed, agent.release])
    kubeconfig = Variable(_kubeconfig(space, account), protected=True, file=True)
    return ProjectAccess({"KUBECONFIG": kubeconfig}, needed)


def _kubeconfig(space: _Namespace, account: ClusterObject) -> pulumi.Output[str]:
    """A kubeconfig with a token of the account that does not expire."""
    token = space.object(
        "token",
        "Secret",
        {
            "type": "kubernetes.io/service-account-token",
            **space.inside(access.TOKEN, annotations={"kubernetes.io/service-account.name": access.ACCOUNT}),
        },
        after=[account],
    )
    endpoint, namespace = space.delivery.cluster.endpoint, space.settings.slug
    return secret(token.data).apply(lambda data: access.kubeconfig(endpoint, data["ca.crt"], data["token"], namespace))
