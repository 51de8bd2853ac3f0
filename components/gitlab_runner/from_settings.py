"""The runner that a stack's settings choose: beside GitLab, or in the cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
import pulumi_docker as docker

from components.ca import CA
from components.chart_repository import ChartRepository
from components.gitlab_runner.gitlab_runner import GitLabRunner, GitLabRunnerArgs
from components.gitlab_runner.in_cluster import KubernetesRunner, KubernetesRunnerArgs
from components.gitlab_runner.registration import Registration
from components.host import Host
from components.k8s_node import K8sNode

if TYPE_CHECKING:
    from settings import Stack


@dataclass(frozen=True)
class Surroundings:
    """Where a runner may be: GitLab's machine (`host`, trusting the CA, with its Docker engine), and the cluster.

    `name_server` is the address that jobs' containers ask; "" leaves that to the machine. `resolvers` are what makes
    the machines ask it.
    """

    ca: CA
    host: Host
    trusted: pulumi.Resource
    docker_provider: docker.Provider
    cluster: K8sNode | None
    name_server: str
    resolvers: Sequence[pulumi.Resource]


def make_runner(
    stack: Stack, surroundings: Surroundings, registrations: Sequence[Registration]
) -> GitLabRunner | KubernetesRunner:
    """The runner that `ci.runner` asks for; both kinds take the same registrations."""
    images = stack.ci.images
    if stack.ci.runner == "kubernetes" and surroundings.cluster:
        return KubernetesRunner(
            "kubernetes-runner",
            KubernetesRunnerArgs(
                provider=surroundings.cluster.provider,
                ca=surroundings.ca,
                domain=stack.domain,
                charts=ChartRepository(stack.mirrors.gitlab_charts, stack.mirrors.gitlab_charts_ca_file),
                chart_version=stack.ci.runner_chart,
                image=images.runner,
                default_image=images.runtime,
                helper_image=images.helper,
                registrations=registrations,
                concurrent=stack.ci.concurrent,
                ready=[surroundings.cluster, *surroundings.resolvers],
            ),
        )
    return GitLabRunner(
        "gitlab-runner",
        GitLabRunnerArgs(
            host=surroundings.host,
            trusted=surroundings.trusted,
            docker_provider=surroundings.docker_provider,
            ca=surroundings.ca,
            domain=stack.domain,
            image=stack.mirrors.image(images.runner),
            default_image=stack.mirrors.image(images.runtime),
            helper_image=stack.helper_image,
            registrations=registrations,
            concurrent=stack.ci.concurrent,
            name_server=surroundings.name_server,
        ),
    )
