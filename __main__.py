"""The stack: a few machines become a private Auto DevOps platform.

The story: read the settings; reach every machine and make it trust one CA and ask one name server; put the registry
with the shared Docker engine on its machine, GitLab on another, a cluster on a third; make the projects whose pushes go
from one to the next; export what people and other stacks need.
"""

import datetime
from pathlib import Path

import pulumi

from components.auto_devops_project import AgentArgs, AutoDevOpsProject, Platform, make_projects, roles
from components.ca import CA, CaArgs
from components.chart_repository import ChartRepository
from components.ci_images import CiImages, CiImagesArgs
from components.dns import DNS, DnsArgs
from components.docker_engine import Prune
from components.gitlab_runner import Registration, Surroundings, make_runner
from components.gitlab_server import GitLabServer, GitLabServerArgs
from components.host import Host, HostArgs
from components.k8s_node import K8sNode, K8sNodeArgs, Mirrors
from components.registry_host import Login, RegistryHost, RegistryHostArgs
from settings.load import KEPT_REPOSITORIES, PROJECTS, load

stack = load()
domain = stack.domain
today = datetime.datetime.now(datetime.UTC).date()

# Every machine, reached with its pinned host key.
hosts = {
    name: Host(
        name,
        HostArgs(
            address=machine.address,
            user=machine.user,
            port=machine.port,
            private_key=machine.private_key,
            passphrase=machine.passphrase,
            host_key=machine.host_key,
            repair=stack.repair,
            moves_from=machine.moves_from,
            keeps_old_port=machine.keeps_old_port,
        ),
    )
    for name, machine in stack.machines.items()
}

# One CA, trusted on all of them; that comes first, since everything later speaks TLS.
ca = CA(
    "ca",
    CaArgs(
        domain=domain,
        algorithm=stack.ca.algorithm,
        curve=stack.ca.curve,
        rsa_bits=stack.ca.rsa_bits,
        root_days=stack.ca.root_days,
        certificate_days=stack.ca.certificate_days,
        renew_before_days=stack.ca.renew_before_days,
        own_certificate=stack.own_ca.certificate if stack.own_ca else None,
        own_chain=stack.own_ca.chain if stack.own_ca else (),
        own_key=stack.own_ca.key if stack.own_ca else None,
    ),
)
trust = {name: ca.trust(host, stack.mirror_ca_certificate) for name, host in hosts.items()}

# Names: an own server that all machines ask, or somebody else's.
dns_server: pulumi.Output[str] | None = None
dns_address = ""
resolvers: list[pulumi.Resource] = []
if stack.dns.provider == "bind9" and stack.dns.host:
    dns = DNS(
        "dns",
        DnsArgs(
            host=hosts[stack.dns.host],
            domain=domain,
            records=stack.records(),
            ttl=stack.dns.ttl,
            forwarders=stack.dns.forwarders,
            allow_queries_from=stack.dns.allow_queries_from,
            validate_dnssec=stack.dns.validate_dnssec,
        ),
    )
    dns_server, dns_address = dns.server, hosts[stack.dns.host].address
    resolvers = [dns.resolve_for(host) for host in hosts.values()]

# The registry and the Docker engine that everyone shares.
if stack.docker.unprotected_tcp_2375:
    address = stack.hosts[stack.registry.host].address
    pulumi.log.warn(
        f"auto-devops:docker.unprotectedTcp2375 is true: whoever reaches {address}:2375 is root there. "
        "Use the client certificate (output dockerClient) with port 2376, and remove the setting."
    )
login: Login | None = None
if stack.registry.login:
    login = Login(stack.registry.login.username, stack.registry.login.password.get_secret_value())
prune: Prune | None = None
if stack.docker.prune.enabled:
    keep = [f"registry.{domain}/auto-devops/*", *stack.images_of_pipelines]
    prune = Prune(stack.docker.prune.schedule, stack.docker.prune.keep_days, stack.docker.prune.keep_storage, keep)
registry = RegistryHost(
    "registry-host",
    RegistryHostArgs(
        host=hosts[stack.registry.host],
        ca=ca,
        trusted=trust[stack.registry.host],
        domain=domain,
        images={role: stack.mirrors.image(image) for role, image in stack.registry.images},
        registry_mirrors=stack.docker_hub_mirrors,
        unprotected_tcp=stack.docker.unprotected_tcp_2375,
        login=login,
        ui_title=stack.registry.ui_title,
        allow_deletion=stack.registry.allow_deletion,
        gc_schedule=stack.registry.garbage_collection.schedule,
        gc_delete_untagged=stack.registry.garbage_collection.delete_untagged,
        prune=prune,
    ),
)

# GitLab, on a machine of its own.
gitlab: GitLabServer | None = None
if stack.gitlab.host:
    gitlab = GitLabServer(
        "gitlab-server",
        GitLabServerArgs(
            host=hosts[stack.gitlab.host],
            ca=ca,
            trusted=trust[stack.gitlab.host],
            domain=domain,
            image=stack.mirrors.image(stack.gitlab.image),
            version=stack.gitlab.version,
            ca_file=Path.home() / f".cache/auto-devops/ca/{pulumi.get_stack()}.crt",
            today=today,
            registry_mirrors=stack.docker_hub_mirrors,
            ssh_port=stack.gitlab.ssh_port,
            registry_port=stack.gitlab.registry_port,
            data_directory=stack.gitlab.data_directory,
            keep_data=stack.gitlab.keep_data,
            memory=stack.gitlab.memory,
            token_days=stack.gitlab.token_days,
            lfs=stack.gitlab.lfs,
            kas=stack.gitlab.kas,
            monitoring_networks=stack.gitlab.monitoring_networks,
        ),
    )
    pulumi.export("gitlabUrl", gitlab.url)
    pulumi.export("gitlabRegistry", gitlab.registry)
    pulumi.export("gitlabSshPort", gitlab.ssh_port)
    pulumi.export("gitlabToken", gitlab.token)

# The cluster, on its machine and any number of workers.
cluster: K8sNode | None = None
if stack.kubernetes.host:
    cluster = K8sNode(
        "k8s-node",
        K8sNodeArgs(
            host=hosts[stack.kubernetes.host],
            workers=[hosts[worker] for worker in stack.kubernetes.workers],
            trusted=trust,
            ca=ca,
            domain=domain,
            version=stack.kubernetes.version,
            cni_version=stack.kubernetes.cni_version,
            pod_cidr=stack.kubernetes.pod_cidr,
            service_cidr=stack.kubernetes.service_cidr,
            name_server=dns_address,
            mirrors=Mirrors(stack.mirrors.images, stack.mirrors.kubernetes, stack.mirrors.cni),
            images=stack.kubernetes.images.model_dump(by_alias=True),
            today=today,
            ingress_ports=stack.kubernetes.ingress_ports,
            kubeadm={str(kind): content for kind, content in stack.kubernetes.kubeadm.items()},
            containerd=stack.kubernetes.containerd,
        ),
    )
    pulumi.export("kubeconfig", cluster.kubeconfig)
    pulumi.export("kubernetesEndpoint", cluster.endpoint)
    pulumi.export("kubernetesVersion", cluster.version)
    pulumi.export("baseDomain", cluster.base_domain)
    pulumi.export("ingress", cluster.ingress)

# Projects: a push becomes an answer at http://<group>-<project>.k8s.<domain>.
projects: dict[str, AutoDevOpsProject] = {}
if stack.projects and gitlab and stack.gitlab.host and cluster:
    upstream = stack.ci.images.model_dump(by_alias=True)
    agent: AgentArgs | None = None
    if stack.ci.cluster_link == "agent":
        agent = AgentArgs(
            ca=ca.certificate,
            charts=ChartRepository(stack.mirrors.gitlab_charts, stack.mirrors.gitlab_charts_ca_file),
            chart_version=stack.ci.agent_chart,
            image=stack.ci.images.agent,
        )
    needed = {role for project in stack.projects for role in roles(project.pipeline)}
    mirrors_ca = {"mirrors.crt": stack.mirror_ca_certificate} if stack.mirror_ca_certificate else {}
    images = CiImages(
        "ci-images",
        CiImagesArgs(
            host=hosts[stack.registry.host],
            domain=domain,
            bases={role: stack.mirrors.image(upstream[role]) for role in needed},
            certificates={"platform.crt": ca.certificate, **mirrors_ca},
            # Pushing needs the registry, and its name.
            ready=[registry, *resolvers],
            login=login,
        ),
    )
    platform = Platform(
        domain=domain,
        gitlab_host=hosts[stack.gitlab.host],
        gitlab_provider=gitlab.provider,
        gitlab_token=gitlab.token,
        kubernetes_provider=cluster.provider,
        kubernetes_endpoint=cluster.endpoint,
        images=images.references,
        runtime_image=stack.mirrors.image(stack.ci.images.runtime),
        go_proxy=stack.ci.go_proxy,
        login=login,
        agent=agent,
        # A pipeline that begins at once has names, and an ingress that answers for what it deploys.
        ready=[cluster, *resolvers],
    )
    projects = make_projects(platform, stack.projects)

# The runner of all of them, beside GitLab or in the cluster.
if gitlab and stack.gitlab.host:
    make_runner(
        stack,
        Surroundings(
            ca=ca,
            host=hosts[stack.gitlab.host],
            trusted=trust[stack.gitlab.host],
            docker_provider=gitlab.docker_provider,
            cluster=cluster,
            name_server=dns_address,
            resolvers=resolvers,
        ),
        [Registration(name, project.runner_token) for name, project in projects.items()],
    )
pulumi.export(KEPT_REPOSITORIES, stack.kept_repositories)
pulumi.export(PROJECTS, {name: project.addresses for name, project in projects.items()})
pulumi.export("domain", domain)
pulumi.export("caCertificate", ca.certificate)
pulumi.export("dnsServer", dns_server)
pulumi.export("registryUrl", registry.url)
pulumi.export("registryUiUrl", registry.url)
pulumi.export("dockerEndpoint", registry.docker_endpoint)
pulumi.export("dockerClient", registry.docker_client)
pulumi.export("addresses", {name: host.address for name, host in hosts.items()})
