"""The stack: a few machines become a private Auto DevOps platform.

The story: read the settings; reach every machine and make it trust one CA and ask one name server; put the registry
with the shared Docker engine on its machine, GitLab on another, a cluster on a third; make the projects whose pushes go
from one to the next; export what people and other stacks need.
"""

import datetime
import gc

import pulumi

import preflight
from components.auto_devops_project import AutoDevOpsProject, Delivery, make_projects
from components.ca import CA, CaArgs
from components.ci_images import CiImages, CiImagesArgs
from components.dns import make_dns
from components.gitlab_runner import RunnerContext, RunnerToken, make_runner
from components.gitlab_server import GitLabServer, GitLabServerArgs
from components.gitlab_server import images as gitlab_images
from components.host import Host, HostArgs
from components.k8s_node import K8sNode, K8sNodeArgs
from components.registry_host import RegistryHost, RegistryHostArgs
from components.site import Site
from settings.load import KEPT_REPOSITORIES, PROJECTS, load

# What the program makes it keeps until it ends: with Python's own thresholds the collector looks through all of it over
# and over, which is a third of the time of a preview of 1,000 resources, and finds nothing to free.
gc.set_threshold(50_000, 10, 10)

stack = load()
if not pulumi.runtime.is_dry_run():
    # All machines, before the first resource: what cannot become what it is asked to be ends this here.
    preflight.require(stack)
today = datetime.datetime.now(datetime.UTC).date()

# Every machine, reached with its pinned host key.
hosts = {name: Host(name, HostArgs(machine, stack.repair)) for name, machine in stack.machines.items()}

# One CA, trusted on all of them; that comes first, since everything later speaks TLS.
ca = CA("ca", CaArgs(stack.domain, stack.ca, stack.own_ca))
trusted = {name: ca.trust(host, stack.downloads.ca_certificate) for name, host in hosts.items()}

site = Site(stack.names, ca, stack.downloads)

# Names: a server of the platform's own that all machines ask, or somebody else's.
dns = make_dns(site, hosts, stack.dns, stack.records())

# The registry and the Docker engine that everyone shares.
registry_machine = trusted[stack.registry.host]
registry = RegistryHost(
    "registry-host",
    RegistryHostArgs(
        site, registry_machine, stack.registry, stack.docker, keep=stack.ci.pipeline_images(stack.downloads)
    ),
)

# GitLab, on a machine of its own.
gitlab: GitLabServer | None = None
if stack.gitlab.host:
    pulled = gitlab_images(stack.gitlab, stack.ci, stack.downloads)
    gitlab = GitLabServer(
        "gitlab-server", GitLabServerArgs(site, trusted[stack.gitlab.host], stack.gitlab, pulled, today)
    )
    pulumi.export("gitlabUrl", gitlab.url)
    pulumi.export("gitlabRegistry", gitlab.registry)
    pulumi.export("gitlabSshPort", gitlab.ssh_port)
    pulumi.export("gitlabToken", gitlab.token)

# The cluster, on its machine and any number of workers.
cluster: K8sNode | None = None
if stack.kubernetes.host:
    workers = [trusted[worker] for worker in stack.kubernetes.workers]
    cluster = K8sNode(
        "k8s-node",
        K8sNodeArgs(site, trusted[stack.kubernetes.host], workers, stack.kubernetes, dns, today),
    )
    pulumi.export("kubeconfig", cluster.kubeconfig)
    pulumi.export("kubernetesEndpoint", cluster.endpoint)
    pulumi.export("kubernetesVersion", cluster.version)
    pulumi.export("baseDomain", cluster.base_domain)
    pulumi.export("ingress", cluster.ingress)

# Projects: a push becomes an answer at http://<group>-<project>.k8s.<domain>.
projects: dict[str, AutoDevOpsProject] = {}
if stack.projects and gitlab and cluster:
    images = CiImages(
        "ci-images",
        CiImagesArgs(
            site,
            registry_machine,
            stack.ci,
            pipelines={project.pipeline for project in stack.projects},
            login=registry.login,
            after=[registry, *dns.resolvers],
        ),
    )
    delivery = Delivery(site, gitlab.access, cluster.access, images.references, stack.ci, registry.login, dns)
    projects = make_projects(delivery, stack.projects)

# The runner of all of them, beside GitLab or in the cluster.
if gitlab:
    make_runner(
        RunnerContext(site, gitlab.access, cluster.access if cluster else None, dns),
        stack.ci,
        [RunnerToken(name, project.runner_token) for name, project in projects.items()],
    )

pulumi.export(KEPT_REPOSITORIES, stack.kept_repositories)
pulumi.export(PROJECTS, {name: project.addresses for name, project in projects.items()})
pulumi.export("domain", stack.domain)
pulumi.export("caCertificate", ca.certificate)
pulumi.export("dnsServer", dns.server)
pulumi.export("registryUrl", registry.url)
pulumi.export("registryUiUrl", registry.url)
pulumi.export("dockerEndpoint", registry.docker_endpoint)
pulumi.export("dockerClient", registry.docker_client)
pulumi.export("addresses", {name: host.address for name, host in hosts.items()})
