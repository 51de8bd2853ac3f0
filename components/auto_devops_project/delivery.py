"""What all projects of a stack are delivered through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.dns import NameService
from components.gitlab_server import GitLabAccess
from components.k8s_node import ClusterAccess
from components.site import Site
from settings.ci import CiSettings
from settings.registry import LoginSettings


@dataclass(frozen=True)
class Delivery:
    """What all projects of a stack are delivered through: GitLab, the jobs' images, the registry, the cluster.

    `images` are the jobs' images by role (see CiImages), `login` is the registry's. `ci.cluster_link` chooses how
    pipelines reach the cluster.
    """

    site: Site
    gitlab: GitLabAccess
    cluster: ClusterAccess
    images: Mapping[str, pulumi.Input[str]]
    ci: CiSettings
    login: LoginSettings | None
    dns: NameService

    @property
    def by_agent(self) -> bool:
        """Whether pipelines reach the cluster through GitLab's agent."""
        return self.ci.cluster_link == "agent"

    @property
    def ready(self) -> list[pulumi.Resource]:
        """What a pipeline needs before it starts: names that resolve, and an ingress for what it deploys."""
        return [self.cluster.ready, *self.dns.resolvers]
