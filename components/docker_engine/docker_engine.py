"""DockerEngine: a Docker engine on one host, reachable by others with client certificates."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_docker as docker

from components.ca import Certificate, Engine, TrustedHost
from components.host import Check, Script, Timer
from components.site import Site
from components.templates import render
from names import DOCKER_PLAIN_PORT, DOCKER_TLS_PORT, bracketed
from settings.machines import Machine
from settings.registry import PruneSettings

SCRIPTS = Path(__file__).parent / "scripts"
KEYS = "/etc/docker/auto-devops"
"""On the machine; the scripts name it too."""
PROGRAMS: Mapping[str, str] = {
    name: (SCRIPTS / name).read_text()
    for name in ("docker-options.sh", "docker-live-restore.sh", "docker-images.sh", "docker-rules.sh")
}
"""What the engine's unit, the firewall's, and the scripts run on the machine."""


@dataclass(frozen=True)
class Claims:
    """What the stack is going to take on a machine and in its engine, by name; somebody else may have it already.

    `mounts` are the machine's directories that its containers write into. `volumes` may be patterns. `images` are what
    it pulls there, and what its builds begin with: they go with it, unless they were there before or are in use.
    With `bounds_logs` containers have the log options `max-size` and `max-file`, and `json-file` as their driver.
    """

    containers: Sequence[str]
    ports: Sequence[int] = ()
    networks: Sequence[str] = ()
    volumes: Sequence[str] = ()
    mounts: Sequence[str] = ()
    images: Sequence[str] = ()
    bounds_logs: bool = False


@dataclass(frozen=True)
class DockerEngineArgs:
    """The engine listens on TCP 2376 with mutual TLS, as `dns_names` and the host's address.

    Its clients are those that the CA issues certificates to for `engine`. `owner`, called `owner_name`, is the
    component that uses it: the client certificate and the provider are children of that. `unprotected` opens plain 2375
    as well. Without `prune` the engine keeps every image; with it, those whose names match a pattern in `keep`.
    `claims` are what the owner is going to take there.
    """

    site: Site
    host: TrustedHost
    engine: Engine
    dns_names: Sequence[str]
    owner: pulumi.ComponentResource
    owner_name: str
    claims: Claims
    unprotected: bool = False
    prune: PruneSettings | None = None
    keep: Sequence[str] = ()


def unit() -> str:
    """The drop-in of docker.service; `@DOCKERD@` in it is where the machine has the engine."""
    return render("docker_engine/templates/docker.service.conf.j2")


def options(tls_port: int | None, mirrors: Sequence[str]) -> str:
    """The stack's options, in the form of a daemon.json; `docker-options.sh` says how they meet the user's."""
    listening: dict[str, object] = {"hosts": ["fd://"]}
    if tls_port:
        listening = {
            "hosts": ["fd://", f"tcp://0.0.0.0:{tls_port}"],
            "tlsverify": True,
            "tlscacert": f"{KEYS}/ca.pem",
            "tlscert": f"{KEYS}/cert.pem",
            "tlskey": f"{KEYS}/key.pem",
        }
    own = {"live-restore": True, "log-opts": {"max-size": "10m", "max-file": "3"}}
    return json.dumps(listening | own | ({"registry-mirrors": list(mirrors)} if mirrors else {}), indent=2) + "\n"


def image(name: str, reference: str, opts: pulumi.ResourceOptions) -> docker.RemoteImage:
    """An image that the stack pulls. It may be somebody's as well: the scripts know its end (docker-images.sh)."""
    return docker.RemoteImage(name, name=reference, keep_locally=True, opts=opts)


def variables(machine: str, domain: str, claims: Claims) -> dict[str, str]:
    """What the scripts and their check get; `machine` is its name in the settings."""
    return {
        "HOST_NAME": machine,
        "DOMAIN": domain,
        "TLS_PORT": str(DOCKER_TLS_PORT),
        "CONTAINERS": " ".join(claims.containers),
        "NETWORKS": " ".join(claims.networks),
        "VOLUMES": " ".join(claims.volumes),
        "MOUNTS": " ".join(claims.mounts),
        "IMAGES": " ".join(claims.images),
        "PORTS": " ".join(str(port) for port in (*claims.ports, DOCKER_TLS_PORT)),
        "BOUNDS_LOGS": "yes" if claims.bounds_logs else "no",
    }


def check(name: str, machine: Machine, domain: str, claims: Claims) -> Check:
    """What the machine of the DockerEngine `name` is looked at for."""
    return Check(machine, f"{name}-engine", SCRIPTS / "check.sh", variables(machine.name, domain, claims))


def plain_relay() -> dict[str, str]:
    """The units that relay plain TCP to the engine's socket."""
    name = "auto-devops-docker-plain"
    return {
        f"{name}.socket": render("docker_engine/templates/plain.socket.j2", port=DOCKER_PLAIN_PORT),
        f"{name}.service": render("docker_engine/templates/plain.service.j2"),
    }


def prune_timer(settings: PruneSettings, keep: Sequence[str]) -> Timer:
    """The timer that removes old images, except those of containers and those that match a pattern in `keep`."""
    return Timer.by_calendar(
        "auto-devops-docker-prune",
        SCRIPTS / "docker-prune.sh",
        render(
            "docker_engine/templates/prune.service.j2",
            keep_days=settings.keep_days,
            keep_storage=settings.keep_storage,
            keep=list(keep),
        ),
        description="Free the disk of images and build cache that nobody uses",
        schedule=settings.schedule,
    )


class DockerEngine(pulumi.ComponentResource):
    """The Docker engine of the machine, or else the distribution's, configured by a drop-in of its unit.

    Owns: the package where it came with the stack, the drop-in and the options beside the user's, the server's
    certificate and key on the host, the stack's own access to the engine, the timer that removes old images, and the
    images that the stack pulls or its pipelines build. Removal takes the engine with it where it came with the stack
    and has nothing of anybody else's.
    Does not own: an engine that was there before, /etc/docker/daemon.json, which stays the user's, and containers.
    """

    endpoint: str
    """Where the engine answers, by address: `tcp://ADDRESS:2376`."""
    version: pulumi.Output[str]
    """The engine's version, known once it answers."""
    client: Certificate
    """The stack's own client certificate."""
    provider: docker.Provider
    """The engine for resources of pulumi-docker, reached by address."""

    def __init__(self, name: str, args: DockerEngineArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("auto-devops:index:DockerEngine", name, None, opts)
        ca, address = args.site.ca, args.host.address
        server = ca.issue_server(f"{name}-server", args.dns_names, [address], parent=self)
        files: dict[str, pulumi.Input[str]] = {
            "docker.service.conf": unit(),
            "options.json": options(DOCKER_TLS_PORT, args.site.downloads.docker_hub_mirrors),
            **PROGRAMS,
            "ca.pem": ca.client_ca(args.engine),
            "cert.pem": server.chain,
            "key.pem": server.key,
        }
        if args.unprotected:
            files |= plain_relay()
        engine = args.host.run(
            f"{name}-engine",
            Script(SCRIPTS / "install.sh", SCRIPTS / "remove.sh", SCRIPTS / "check.sh"),
            parent=self,
            variables=variables(args.host.name, args.site.names.domain, args.claims),
            files=files,
        )
        if args.prune:
            args.host.timer(
                f"{name}-prune",
                Script(SCRIPTS / "prune-install.sh", SCRIPTS / "prune-remove.sh"),
                prune_timer(args.prune, args.keep),
                parent=self,
                depends_on=[engine],
            )
        self.endpoint = f"tcp://{bracketed(address)}:{DOCKER_TLS_PORT}"
        self.version = engine.stdout
        self.client = ca.issue_client(
            f"{args.owner_name}-client", f"pulumi.{args.site.names.domain}", args.engine, parent=args.owner
        )
        self.provider = docker.Provider(
            f"{args.owner_name}-engine",
            host=self.endpoint,
            ca_material=ca.certificate,
            cert_material=self.client.certificate,
            key_material=self.client.key,
            # Without the check at the start, a preview works while the machine is down, and so does a destroy.
            disable_docker_daemon_check=True,
            opts=pulumi.ResourceOptions(parent=args.owner, depends_on=[self]),
        )
        self.register_outputs({"endpoint": self.endpoint, "ready": self.version})
