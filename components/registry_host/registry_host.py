"""RegistryHost: the shared Docker engine, and on it the registry, its web page and nginx."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pulumi_docker as docker

from components import docker_engine
from components.ca import Certificate, TrustedHost
from components.docker_engine import Claims, DockerEngine, DockerEngineArgs
from components.host import Check, Script, Timer
from components.registry_host.htpasswd import htpasswd
from components.secrets import secret
from components.site import Site
from components.templates import render
from names import DOCKER_PLAIN_PORT, DOCKER_TLS_PORT, PLATFORM, Names
from settings.machines import Machine
from settings.mirrors import Downloads
from settings.registry import DockerSettings, GarbageCollection, LoginSettings, RegistrySettings

SCRIPTS = Path(__file__).parent / "scripts"


@dataclass(frozen=True)
class RegistryHostArgs:
    """`keep` are images that pruning leaves on the engine beside the platform's own: what pipelines start from."""

    site: Site
    host: TrustedHost
    settings: RegistrySettings
    docker: DockerSettings
    keep: Sequence[str] = ()


def images(settings: RegistrySettings, downloads: Downloads, keep: Sequence[str]) -> list[str]:
    """What is pulled on the machine; `keep` as in RegistryHostArgs."""
    return [*(downloads.image(image) for _, image in settings.images), *keep]


def claims(settings: DockerSettings, pulled: Sequence[str]) -> Claims:
    """What is taken on the machine."""
    plain = (DOCKER_PLAIN_PORT,) if settings.unprotected_tcp_2375 else ()
    return Claims(
        containers=("registry", "registry-ui", "nginx"),
        networks=("auto-devops",),
        volumes=("auto-devops-registry",),
        ports=(80, 443, *plain),
        images=pulled,
    )


def engine_check(name: str, machine: Machine, names: Names, settings: DockerSettings, pulled: Sequence[str]) -> Check:
    """What the machine of the RegistryHost `name` is looked at for; `pulled` are its `images`."""
    return docker_engine.check(f"{name}-docker", machine, names.domain, claims(settings, pulled))


def nginx_configuration(names: Names) -> str:
    """nginx's configuration for the registry."""
    return render("registry_host/templates/nginx.conf.j2", registry_name=names.registry, docker_name=names.docker)


def garbage_collection(settings: GarbageCollection) -> Timer:
    """The timer that frees the space of what was deleted from the registry."""
    return Timer.by_calendar(
        "auto-devops-registry-gc",
        SCRIPTS / "registry-gc.sh",
        render("registry_host/templates/gc.service.j2", delete_untagged=settings.delete_untagged),
        description="Free the space of images deleted from the registry",
        schedule=settings.schedule,
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
    login: LoginSettings | None
    """The one account of the registry; None: everyone who reaches it may pull and push."""
    provider: docker.Provider
    """The engine for further resources of pulumi-docker, reached by address."""

    def __init__(self, name: str, args: RegistryHostArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("auto-devops:index:RegistryHost", name, None, opts)
        names, ca, settings, address = args.site.names, args.site.ca, args.settings, args.host.address
        self._names, self._settings = names, settings
        self.login = settings.login

        engine = self._engine(name, args)
        self.provider = engine.provider
        images = {
            role: docker_engine.image(f"{name}-{role}-image", args.site.downloads.image(image), self._on_engine())
            for role, image in settings.images
        }
        network = docker.Network(f"{name}-network", name="auto-devops", opts=self._on_engine())
        # Its own resource, so that pushed images outlive the container.
        volume = docker.Volume(f"{name}-volume", name="auto-devops-registry", opts=self._on_engine())
        registry = self._registry(f"{name}-registry", images["registry"], network, volume)
        ui = self._ui(f"{name}-ui", images["ui"], network, after=[registry])
        # The wildcard serves every name of the platform that is on this machine, now and later.
        certificate = ca.issue_server(f"{name}-wildcard", names.wildcards, [address], parent=self)
        nginx = self._nginx(f"{name}-nginx", images["nginx"], network, certificate, after=[registry, ui])

        args.host.timer(
            f"{name}-gc",
            Script(SCRIPTS / "gc-install.sh", SCRIPTS / "gc-remove.sh"),
            garbage_collection(settings.garbage_collection),
            parent=self,
            depends_on=[registry],
        )
        verified = args.host.run(
            f"{name}-verify",
            Script(SCRIPTS / "verify.sh", SCRIPTS / "unverify.sh"),
            parent=self,
            variables={"NAME": names.registry, "ADDRESS": address, "WANTED": "401" if settings.login else "200"},
            triggers=[nginx.id],
            depends_on=[nginx],
        )
        # By the resources' ids, which an update does not change: an output that a preview shows as unknown would make
        # everything behind it look changed.
        self.url = verified.id.apply(lambda _: f"https://{names.registry}")
        self.docker_endpoint = self.provider.id.apply(lambda _: names.docker_endpoint)
        self.docker_client = secret(
            pulumi.Output.all(ca=ca.certificate, certificate=engine.client.certificate, key=engine.client.key)
        )
        self.register_outputs(
            {"url": self.url, "docker_endpoint": self.docker_endpoint, "docker_client": self.docker_client}
        )

    def _engine(self, name: str, args: RegistryHostArgs) -> DockerEngine:
        wanted = args.docker
        if wanted.unprotected_tcp_2375:
            pulumi.log.warn(
                f"auto-devops:docker.unprotectedTcp2375 is true: whoever reaches {args.host.address}:"
                f"{DOCKER_PLAIN_PORT} is root there. Use the client certificate (output dockerClient) with port "
                f"{DOCKER_TLS_PORT}, and remove the setting."
            )
        return DockerEngine(
            f"{name}-docker",
            DockerEngineArgs(
                site=args.site,
                host=args.host,
                engine="shared",
                dns_names=[self._names.docker],
                owner=self,
                owner_name=name,
                claims=claims(wanted, images(args.settings, args.site.downloads, args.keep)),
                unprotected=wanted.unprotected_tcp_2375,
                prune=wanted.prune if wanted.prune.enabled else None,
                keep=[f"{self._names.registry}/{PLATFORM}/*", *args.keep],
            ),
            opts=pulumi.ResourceOptions(parent=self),
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
        image: docker.RemoteImage,
        network: docker.Network,
        volume: docker.Volume,
    ) -> docker.Container:
        environment = [f"REGISTRY_STORAGE_DELETE_ENABLED={str(self._settings.allow_deletion).lower()}"]
        uploads = None
        if self.login:
            environment += [
                "REGISTRY_AUTH=htpasswd",
                f"REGISTRY_AUTH_HTPASSWD_REALM={self._names.registry}",
                "REGISTRY_AUTH_HTPASSWD_PATH=/auth/htpasswd",
            ]
            line = secret(htpasswd(self.login.username, self.login.password.get_secret_value()))
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
                f"REGISTRY_TITLE={self._settings.ui_title}",
                f"DELETE_IMAGES={str(self._settings.allow_deletion).lower()}",
                "SHOW_CONTENT_DIGEST=true",
                "SHOW_CATALOG_NB_TAGS=true",
            ],
        )

    def _nginx(
        self,
        name: str,
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
                upload(file="/etc/nginx/conf.d/default.conf", content=nginx_configuration(self._names)),
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
