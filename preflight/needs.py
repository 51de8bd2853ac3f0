"""What each machine of a stack has to reach, and how much memory it is asked for.

Owns: the tables. Does not own how it is looked for: see `plan` and the scripts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from names import DOCKER_TLS_PORT, KUBERNETES_API_PORT
from settings import Stack

GITLAB_MEMORY = {"constrained": 4096, "standard": 8192, "large": 8192}
"""MiB, by gitlab.memory."""
MEMORY = {"BIND": 128, "the registry and the shared engine": 1024, "a control plane": 2048, "a worker": 1024}
"""MiB. Kubernetes asks for 2 GB, kubeadm refuses below 1700 MB of a control plane (v1.36, its check Mem)."""

KUBELET_PORT = 10250


@dataclass(frozen=True)
class Source:
    """Something that is downloaded: a `registry` answers at /v2/, a `file` is there.

    `setting` is what points it elsewhere. @ARCHITECTURE@ in the URL is the machine's, as Kubernetes names it.
    """

    kind: Literal["registry", "file"]
    url: str
    setting: str


@dataclass(frozen=True)
class Port:
    """A TCP port of `target` that somebody needs. What a container has `published` passes most machines' firewalls."""

    target: str
    address: str
    port: int
    service: str
    published: bool


@dataclass(frozen=True)
class Part:
    """What a machine is asked to be: its name for people, and the resource that begins it there."""

    what: str
    memory: int
    resource: str


def parts(stack: Stack, machine: str) -> list[Part]:
    """Everything that the machine is asked to be; the largest first."""
    found = []
    if machine == stack.dns.host:
        found.append(("BIND", MEMORY["BIND"], "dns-zone"))
    if machine == stack.registry.host:
        what = "the registry and the shared engine"
        found.append((what, MEMORY[what], "registry-host-docker-engine"))
    if machine == stack.gitlab.host:
        what = f"GitLab (gitlab.memory {stack.gitlab.memory})"
        found.append((what, GITLAB_MEMORY[stack.gitlab.memory], "gitlab-server-docker-engine"))
    for nodes, what in (([stack.kubernetes.host], "a control plane"), (stack.kubernetes.workers, "a worker")):
        if machine in nodes:
            found.append((what, MEMORY[what], f"k8s-node-prepare-{machine}"))
    return [Part(*each) for each in sorted(found, key=lambda each: -each[1])]


def sources(stack: Stack, machine: str) -> dict[str, list[Source]]:
    """What is downloaded to the machine, by the resource that does it."""
    found: dict[str, list[Source]] = {}
    ci, gitlab, kubernetes = stack.ci, stack.gitlab, stack.kubernetes
    runner = [ci.images.runner, ci.images.helper or "registry.gitlab.com/helper"]
    if machine == stack.registry.host:
        images = [image for _, image in stack.registry.images]
        if stack.projects:
            images += ci.images.bases
        found["registry-host-docker-engine"] = list(_registries(stack, images))
    if machine == gitlab.host:
        images = [gitlab.image]
        if ci.runner == "docker":
            images += runner
        found["gitlab-server-docker-engine"] = list(_registries(stack, images))
    if machine in (kubernetes.host, *kubernetes.workers):
        # The pause image, and what else kubeadm names.
        images = ["registry.k8s.io/pause", *(image for _, image in kubernetes.images)]
        if ci.runner == "kubernetes":
            images += runner
        if ci.cluster_link == "agent" and stack.projects:
            images.append(ci.images.agent)
        found[f"k8s-node-prepare-{machine}"] = [*_registries(stack, images), *_programs(stack)]
    return found


def _registries(stack: Stack, images: list[str]) -> Iterator[Source]:
    upstream = {image.partition("/")[0]: stack.downloads.image(image) for image in images}
    seen = set()
    for registry, image in sorted(upstream.items()):
        # An engine asks its own mirrors of docker.io before that.
        own = [mirror.removeprefix("https://") for mirror in stack.docker.registry_mirrors if registry == "docker.io"]
        host = image.partition("/")[0] if registry in stack.downloads.mirrors.images or not own else own[0]
        host = "registry-1.docker.io" if host == "docker.io" else host
        if host not in seen:
            seen.add(host)
            yield Source("registry", f"https://{host.partition('/')[0]}/v2/", f'mirrors.images["{registry}"]')


def _programs(stack: Stack) -> Iterator[Source]:
    mirrors, kubernetes = stack.downloads.mirrors, stack.kubernetes
    binaries = f"{mirrors.kubernetes}/release/v{kubernetes.version}/bin/linux/@ARCHITECTURE@"
    yield Source("file", f"{binaries}/kubeadm.sha256", "mirrors.kubernetes")
    archive = f"cni-plugins-linux-@ARCHITECTURE@-v{kubernetes.cni_version}.tgz"
    yield Source("file", f"{mirrors.cni}/v{kubernetes.cni_version}/{archive}.sha256", "mirrors.cni")


def ports(stack: Stack) -> dict[str, list[Port]]:
    """Which ports of others each machine needs; "" is this computer."""
    found: dict[str, list[Port]] = {name: [] for name in ("", *stack.machines)}
    nodes = [name for name in (stack.kubernetes.host, *stack.kubernetes.workers) if name]
    gitlab, registry, cluster = stack.gitlab.host, stack.registry.host, stack.kubernetes.host

    def need(sources: list[str], target: str | None, port: int, service: str, published: bool = False) -> None:
        if target:
            address = stack.machines[target].address
            for source in dict.fromkeys(sources):
                if source != target:
                    found[source].append(Port(target, address, port, service, published))

    need(list(stack.machines), stack.dns.host, 53, "names")
    need([""], registry, DOCKER_TLS_PORT, "the shared Docker engine")
    need([""], gitlab, DOCKER_TLS_PORT, "the Docker engine")
    need([""], gitlab, 443, "GitLab's API", published=True)
    need([""], cluster, KUBERNETES_API_PORT, "the cluster's API")
    need(stack.kubernetes.workers, cluster, KUBERNETES_API_PORT, "the cluster's API")
    if cluster:
        for worker in stack.kubernetes.workers:
            need([cluster], worker, KUBELET_PORT, "the kubelet")
    if stack.projects and gitlab:
        jobs = nodes if stack.ci.runner == "kubernetes" else [gitlab]
        need(jobs, registry, DOCKER_TLS_PORT, "the shared Docker engine")
        need([*jobs, *nodes], registry, 443, "the registry", published=True)
        # Images are pushed to GitLab's registry by the shared engine and pulled by the nodes; both log in at GitLab.
        need([registry, *nodes], gitlab, stack.gitlab.registry_port, "GitLab's registry", published=True)
        need([registry, *nodes], gitlab, 443, "GitLab", published=True)
        if stack.ci.cluster_link == "kubeconfig":
            need(jobs, cluster, KUBERNETES_API_PORT, "the cluster's API")
    return found


def charts(stack: Stack) -> str | None:
    """The index of the chart repository that this computer asks, where it does."""
    agents = stack.ci.cluster_link == "agent" and bool(stack.projects)
    if stack.gitlab.host and (stack.ci.runner == "kubernetes" or agents):
        return f"{stack.downloads.mirrors.gitlab_charts}/index.yaml"
    return None
