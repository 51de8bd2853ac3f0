"""Where the projects of a stack are delivered to."""

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
    """The way that is the same for every project of a stack: from GitLab, through jobs, into the cluster.

    `images` are the jobs' images by role (see CiImages), `login` is the registry's, and `ci.cluster_link` says how
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
        """There once a pipeline that begins has names, and an ingress that answers for what it deploys."""
        return [self.cluster.ready, *self.dns.resolvers]
