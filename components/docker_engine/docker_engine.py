"""DockerEngine: the distribution's Docker on one host, optionally reachable by others with client certificates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi

from components.ca import CA, Engine
from components.host import Host, Script
from components.templates import render

SCRIPTS = Path(__file__).parent / "scripts"
TLS_PORT = 2376
PLAIN_PORT = 2375


@dataclass(frozen=True)
class RemoteAccess:
    """TCP 2376 with mutual TLS, under `dns_names` and the host's address, for clients that `ca` knows for `engine`.

    `unprotected` opens plain 2375 as well.
    """

    ca: CA
    engine: Engine
    dns_names: Sequence[str]
    unprotected: bool = False


@dataclass(frozen=True)
class Prune:
    """What an engine forgets at `schedule` (systemd's): images older than `keep_days`, build cache over `keep_storage`.

    Images of containers stay, and those whose names match a pattern in `keep`.
    """

    schedule: str
    keep_days: int
    keep_storage: str
    keep: Sequence[str] = ()


@dataclass(frozen=True)
class DockerEngineArgs:
    """`registry_mirrors` are https URLs that serve docker.io; `trusted` is the host's trust in them and in the CA.

    Without `prune` the engine keeps every image.
    """

    host: Host
    trusted: pulumi.Resource
    registry_mirrors: Sequence[str] = ()
    remote: RemoteAccess | None = None
    prune: Prune | None = None


def unit(tls_port: int | None, mirrors: Sequence[str]) -> str:
    """The drop-in of docker.service; `@DOCKERD@` in it is where the machine has the engine."""
    return render("docker_engine/templates/docker.service.conf.j2", tls_port=tls_port, mirrors=list(mirrors))


def plain_relay() -> dict[str, str]:
    """The units that relay plain TCP to the engine's socket."""
    name = "auto-devops-docker-plain"
    return {
        f"{name}.socket": render("docker_engine/templates/plain.socket.j2", port=PLAIN_PORT),
        f"{name}.service": render("docker_engine/templates/plain.service.j2"),
    }


def prune_units(prune: Prune) -> dict[str, str]:
    """The timer that removes old images, and what it runs."""
    name = "auto-devops-docker-prune"
    service = render(
        "docker_engine/templates/prune.service.j2",
        keep_days=prune.keep_days,
        keep_storage=prune.keep_storage,
        keep=list(prune.keep),
    )
    return {
        f"{name}.service": service,
        f"{name}.timer": render(
            "host/templates/calendar.timer.j2",
            description="Free the disk of images and build cache that nobody uses",
            schedule=prune.schedule,
        ),
    }


class DockerEngine(pulumi.ComponentResource):
    """Docker from the distribution, configured by a drop-in of its unit.

    Owns: the package, the drop-in, the server's certificate and key on the host, the timer that removes old images;
    removal takes the images and the network rules with it where the engine came with the stack.
    Does not own: /etc/docker/daemon.json, which stays the user's, and containers.
    """

    endpoint: str
    """Where the engine answers, by address: `tcp://ADDRESS:2376`, or `unix:///var/run/docker.sock`."""
    ready: pulumi.Output[str]
    """The engine's version, known once it answers."""

    def __init__(self, name: str, args: DockerEngineArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("auto-devops:index:DockerEngine", name, None, opts)
        files: dict[str, pulumi.Input[str]] = {
            "docker.service.conf": unit(TLS_PORT if args.remote else None, args.registry_mirrors)
        }
        if args.remote:
            server = args.remote.ca.issue_server(
                f"{name}-server", args.remote.dns_names, [args.host.address], parent=self
            )
            files |= {
                "ca.pem": args.remote.ca.client_ca(args.remote.engine),
                "cert.pem": server.chain,
                "key.pem": server.key,
            }
            if args.remote.unprotected:
                files |= plain_relay()
        engine = args.host.run(
            f"{name}-engine",
            Script(SCRIPTS / "install.sh", SCRIPTS / "remove.sh"),
            parent=self,
            variables={"TLS_PORT": str(TLS_PORT) if args.remote else ""},
            files=files,
            depends_on=[args.trusted],
        )
        if args.prune:
            args.host.run(
                f"{name}-prune",
                Script(SCRIPTS / "prune-install.sh", SCRIPTS / "prune-remove.sh"),
                parent=self,
                variables={"SCHEDULE": args.prune.schedule},
                files={"docker-prune.sh": (SCRIPTS / "docker-prune.sh").read_text(), **prune_units(args.prune)},
                depends_on=[engine],
            )
        address = f"[{args.host.address}]" if ":" in args.host.address else args.host.address
        self.endpoint = f"tcp://{address}:{TLS_PORT}" if args.remote else "unix:///var/run/docker.sock"
        self.ready = engine.stdout
        self.register_outputs({"endpoint": self.endpoint, "ready": self.ready})
