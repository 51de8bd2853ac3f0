"""The runner that a stack's settings choose: beside GitLab, or in the cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.dns import NameService
from components.gitlab_runner.gitlab_runner import GitLabRunner, GitLabRunnerArgs
from components.gitlab_runner.in_cluster import KubernetesRunner, KubernetesRunnerArgs
from components.gitlab_runner.jobs import RunnerToken
from components.gitlab_server import GitLabAccess
from components.k8s_node import ClusterAccess
from components.site import Site
from settings.ci import CiSettings


@dataclass(frozen=True)
class RunnerContext:
    """Where a runner may run, which is GitLab's machine or the cluster, and the name service that its jobs use."""

    site: Site
    gitlab: GitLabAccess
    cluster: ClusterAccess | None
    dns: NameService


def make_runner(
    context: RunnerContext, settings: CiSettings, tokens: Sequence[RunnerToken]
) -> GitLabRunner | KubernetesRunner:
    """The runner that `ci.runner` asks for; both kinds take the same tokens."""
    site, dns = context.site, context.dns
    if settings.runner == "kubernetes" and context.cluster:
        cluster_runner = KubernetesRunnerArgs(site, context.cluster, settings, tokens, dns)
        return KubernetesRunner("kubernetes-runner", cluster_runner)
    return GitLabRunner("gitlab-runner", GitLabRunnerArgs(site, context.gitlab, settings, tokens, dns))
