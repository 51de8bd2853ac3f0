"""RegistryHost: the shared Docker engine, and on it the registry, its web page and nginx."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pulumi_docker as docker

from components.ca import CA, Certificate
from components.docker_engine import TLS_PORT, DockerEngine, DockerEngineArgs, Prune, RemoteAccess
from components.host import Host, Script
from components.registry_host.htpasswd import htpasswd
from components.templates import render

SCRIPTS = Path(__file__).parent / "scripts"


@dataclass(frozen=True)
class Login:
    """The one account of the registry."""

    username: str
    password: str


@dataclass(frozen=True)
class RegistryHostArgs:
    """`images` are what is pulled for "registry", "ui" and "nginx", mirrors already applied.

    `trusted` is the host's trust in the CA, `prune` what the engine forgets.
    """

    host: Host
    ca: CA
    trusted: pulumi.Resource
    domain: str
    images: Mapping[str, str]
    registry_mirrors: Sequence[str] = ()
    unprotected_tcp: bool = False
    login: Login | None = None
    ui_title: str = "Docker Registry"
    allow_deletion: bool = True
    gc_schedule: str = "*-*-* 03:30:00"
    gc_delete_untagged: bool = True
    prune: Prune | None = None


def nginx_configuration(domain: str) -> str:
    """nginx's configuration for the registry of `domain`."""
    return render(
        "registry_host/templates/nginx.conf.j2", registry_name=f"registry.{domain}", docker_name=f"docker.{domain}"
    )


class RegistryHost(pulumi.ComponentResource):
    """The registry at `https://registry.<domain>` and the Docker engine at `tcp://docker.<domain>:2376`.

    Owns: the engine's remote access and its client certificate, the containers, their network and the volume of the
    pushed images, garbage collection.
    Does not own: the names (see DNS) and the images that people push; destroying it deletes those with the volume.
    """

    url: pulumi.Output[str]
    """The registry and, in a browser, its page: `https://registry.<domain>`; known once it answers."""
    docker_endpoint: pulumi.Output[str]
    """`tcp://docker.<domain>:2376`"""
    docker_client: pulumi.Output[dict[str, str]]
    """What a client needs for the endpoint, as PEM: `ca`, `certificate` and `key`. Secret."""
    provider: docker.Provider
    """The engine for further resources of pulumi-docker, reached by address."""

    def __init__(self, name: str, args: RegistryHostArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("auto-devops:index:RegistryHost", name, None, opts)
        registry_name = f"registry.{args.domain}"
        docker_name = f"docker.{args.domain}"

        engine = DockerEngine(
            f"{name}-docker",
            DockerEngineArgs(
                host=args.host,
                trusted=args.trusted,
                registry_mirrors=args.registry_mirrors,
                remote=RemoteAccess(args.ca, "shared", [docker_name], unprotected=args.unprotected_tcp),
                prune=args.prune,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        client = args.ca.issue_client(f"{name}-client", f"pulumi.{args.domain}", "shared", parent=self)
        self.provider = docker.Provider(
            f"{name}-engine",
            host=engine.endpoint,
            ca_material=args.ca.certificate,
            cert_material=client.certificate,
            key_material=client.key,
            # Without the check at the start, a preview works while the machine is down, and so does a destroy.
            disable_docker_daemon_check=True,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[engine]),
        )
        images = {
            role: docker.RemoteImage(f"{name}-{role}-image", name=image, opts=self._on_engine())
            for role, image in args.images.items()
        }
        network = docker.Network(f"{name}-network", name="auto-devops", opts=self._on_engine())
        # Its own resource, so that pushed images outlive the container.
        volume = docker.Volume(f"{name}-volume", name="auto-devops-registry", opts=self._on_engine())
        registry = self._registry(f"{name}-registry", args, images["registry"], network, volume)
        ui = self._ui(f"{name}-ui", args, images["ui"], network, after=[registry])
        # The wildcard serves every name of the platform that is on this machine, now and later.
        certificate = args.ca.issue_server(
            f"{name}-wildcard",
            [f"*.{args.domain}", args.domain, f"*.k8s.{args.domain}"],
            [args.host.address],
            parent=self,
        )
        nginx = self._nginx(f"{name}-nginx", args, images["nginx"], network, certificate, after=[registry, ui])

        args.host.run(
            f"{name}-gc",
            Script(SCRIPTS / "gc-install.sh", SCRIPTS / "gc-remove.sh"),
            parent=self,
            variables={"SCHEDULE": args.gc_schedule},
            files={
                "registry-gc.sh": (SCRIPTS / "registry-gc.sh").read_text(),
                "auto-devops-registry-gc.service": render(
                    "registry_host/templates/gc.service.j2", delete_untagged=args.gc_delete_untagged
                ),
                "auto-devops-registry-gc.timer": render(
                    "host/templates/calendar.timer.j2",
                    description="Free the space of images deleted from the registry",
                    schedule=args.gc_schedule,
                ),
            },
            depends_on=[registry],
        )
        verified = args.host.run(
            f"{name}-verify",
            Script(SCRIPTS / "verify.sh", SCRIPTS / "unverify.sh"),
            parent=self,
            variables={"NAME": registry_name, "ADDRESS": args.host.address, "WANTED": "401" if args.login else "200"},
            triggers=[nginx.id],
            depends_on=[nginx],
        )
        # By the resources' ids, which an update does not change: an output that a preview shows as unknown would make
        # everything behind it look changed.
        self.url = verified.id.apply(lambda _: f"https://{registry_name}")
        self.docker_endpoint = self.provider.id.apply(lambda _: f"tcp://{docker_name}:{TLS_PORT}")
        self.docker_client = pulumi.Output.secret(
            pulumi.Output.all(ca=args.ca.certificate, certificate=client.certificate, key=client.key)
        )
        self.register_outputs(
            {"url": self.url, "docker_endpoint": self.docker_endpoint, "docker_client": self.docker_client}
        )

    def _on_engine(self) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, provider=self.provider)

    def _container(
        self,
        name: str,
        container: str,
        image: docker.RemoteImage,
        network: docker.Network,
        *,
        after: Sequence[pulumi.Resource] = (),
        **args: Any,
    ) -> docker.Container:
        return docker.Container(
            name,
            name=container,
            image=image.image_id,
            networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=network.name, aliases=[container])],
            restart="always",
            **args,
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=self.provider,
                depends_on=[*after],
                # A container is known by its name and ports: the old one has to go before the new one can come.
                delete_before_replace=True,
            ),
        )

    def _registry(
        self,
        name: str,
        args: RegistryHostArgs,
        image: docker.RemoteImage,
        network: docker.Network,
        volume: docker.Volume,
    ) -> docker.Container:
        environment = [f"REGISTRY_STORAGE_DELETE_ENABLED={str(args.allow_deletion).lower()}"]
        uploads = None
        if args.login:
            environment += [
                "REGISTRY_AUTH=htpasswd",
                f"REGISTRY_AUTH_HTPASSWD_REALM=registry.{args.domain}",
                "REGISTRY_AUTH_HTPASSWD_PATH=/auth/htpasswd",
            ]
            line = pulumi.Output.secret(htpasswd(args.login.username, args.login.password))
            uploads = [docker.ContainerUploadArgs(file="/auth/htpasswd", content=line, permissions="0600")]
        return self._container(
            name,
            "registry",
            image,
            network,
            envs=environment,
            uploads=uploads,
            volumes=[docker.ContainerVolumeArgs(volume_name=volume.name, container_path="/var/lib/registry")],
        )

    def _ui(
        self,
        name: str,
        args: RegistryHostArgs,
        image: docker.RemoteImage,
        network: docker.Network,
        *,
        after: Sequence[pulumi.Resource],
    ) -> docker.Container:
        return self._container(
            name,
            "registry-ui",
            image,
            network,
            after=after,
            # Neither REGISTRY_URL nor NGINX_PROXY_PASS_URL: the page asks the registry at its own address.
            envs=[
                "SINGLE_REGISTRY=true",
                f"REGISTRY_TITLE={args.ui_title}",
                f"DELETE_IMAGES={str(args.allow_deletion).lower()}",
                "SHOW_CONTENT_DIGEST=true",
                "SHOW_CATALOG_NB_TAGS=true",
            ],
        )

    def _nginx(
        self,
        name: str,
        args: RegistryHostArgs,
        image: docker.RemoteImage,
        network: docker.Network,
        certificate: Certificate,
        *,
        after: Sequence[pulumi.Resource],
    ) -> docker.Container:
        upload = docker.ContainerUploadArgs
        return self._container(
            name,
            "nginx",
            image,
            network,
            after=after,
            uploads=[
                upload(file="/etc/nginx/conf.d/default.conf", content=nginx_configuration(args.domain)),
                upload(file="/etc/nginx/tls/certificate.pem", content=certificate.chain),
                upload(file="/etc/nginx/tls/key.pem", content=certificate.key, permissions="0600"),
            ],
            ports=[
                docker.ContainerPortArgs(internal=80, external=80),
                docker.ContainerPortArgs(internal=443, external=443),
            ],
            # Ready is who reaches the registry; the engine waits for that.
            healthcheck=docker.ContainerHealthcheckArgs(
                tests=["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8081/ready"],
                interval="2s",
                timeout="5s",
                retries=10,
            ),
            wait=True,
            wait_timeout=120,
        )
