"""The stack: a few machines become a private Auto DevOps platform.

The story: read the settings; reach every machine and make it trust one CA and ask one name server; put the registry
with the shared Docker engine on its machine; export what people and other stacks need.
"""

import pulumi

import settings
from components.ca import CA, CaArgs
from components.dns import DNS, DnsArgs
from components.docker_engine import DockerEngine, DockerEngineArgs
from components.host import Host, HostArgs
from components.k8s_node import K8sNode, K8sNodeArgs, Mirrors
from components.registry_host import Login, RegistryHost, RegistryHostArgs

stack = settings.load()
domain = stack.domain

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
    for host in hosts.values():
        dns.resolve_for(host)

# The registry and the Docker engine that everyone shares.
if stack.docker.unprotected_tcp_2375:
    address = stack.hosts[stack.registry.host].address
    pulumi.log.warn(
        f"auto-devops:docker.unprotectedTcp2375 is true: whoever reaches {address}:2375 is root there. "
        "Use the client certificate (output dockerClient) with port 2376, and remove the setting."
    )
login = stack.registry.login
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
        login=Login(login.username, login.password.get_secret_value()) if login else None,
        ui_title=stack.registry.ui_title,
        allow_deletion=stack.registry.allow_deletion,
        gc_schedule=stack.registry.garbage_collection.schedule,
        gc_delete_untagged=stack.registry.garbage_collection.delete_untagged,
    ),
)

# GitLab's machine runs its containers on an engine of its own.
if stack.gitlab.host:
    DockerEngine(
        "gitlab-docker",
        DockerEngineArgs(
            host=hosts[stack.gitlab.host],
            trusted=trust[stack.gitlab.host],
            registry_mirrors=stack.docker_hub_mirrors,
        ),
    )

# The cluster, on its machine and any number of workers.
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

pulumi.export("domain", domain)
pulumi.export("caCertificate", ca.certificate)
pulumi.export("dnsServer", dns_server)
pulumi.export("registryUrl", registry.url)
pulumi.export("registryUiUrl", registry.url)
pulumi.export("dockerEndpoint", registry.docker_endpoint)
pulumi.export("dockerClient", registry.docker_client)
pulumi.export("addresses", {name: host.address for name, host in hosts.items()})
