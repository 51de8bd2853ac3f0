"""GitLabServer: GitLab in a container on its own machine, and access to its API."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pulumi
import pulumi_docker as docker
import pulumi_gitlab as gitlab

from components.ca import CA
from components.docker_engine import DockerEngine, DockerEngineArgs, RemoteAccess
from components.host import Host, Script
from components.templates import render

SCRIPTS = Path(__file__).parent / "scripts"
BACKUPS = "/var/backups/auto-devops-gitlab"
STOP_SECONDS = 120

Memory = Literal["constrained", "standard", "large"]
# What each size of machine leaves to GitLab (https://docs.gitlab.com/omnibus/settings/memory_constrained_envs); for a
# large one its own choice by cores and memory is right.
MEMORY: dict[Memory, dict[str, str]] = {
    "constrained": {
        "puma['worker_processes']": "0",
        "sidekiq['concurrency']": "10",
        "prometheus_monitoring['enable']": "false",
    },
    "standard": {"puma['worker_processes']": "2", "sidekiq['concurrency']": "10"},
    "large": {},
}


@dataclass(frozen=True)
class GitLabServerArgs:
    """`image` is what is pulled, mirrors applied, and `version` what it has. `trusted` is the host's trust in the CA.

    `monitoring_networks` are those that GitLab shows its health to, beside itself and its machine: the Docker engine's
    are among them, as that is where it sees its machine's own questions come from. `ca_file` is where on this computer
    the CA's certificate is written for the gitlab provider, which reads it from a file. `today` sets the period in
    which the access token is the same.
    """

    host: Host
    ca: CA
    trusted: pulumi.Resource
    domain: str
    image: str
    version: tuple[int, int, int]
    ca_file: Path
    today: datetime.date
    registry_mirrors: Sequence[str] = ()
    ssh_port: int = 22
    registry_port: int = 4567
    data_directory: str = "/srv/gitlab"
    keep_data: bool = False
    memory: Memory = "standard"
    token_days: int = 180
    lfs: bool = True
    kas: bool = True
    monitoring_networks: Sequence[str] = ("172.16.0.0/12",)


def token_period(today: datetime.date, token_days: int) -> int:
    """The number of the period that `today` is in: it changes after every half of a token's lifetime.

    So a token that was made at any day of one period is still good through the whole of the next.
    """
    return today.toordinal() // max(1, token_days // 2)


def configuration(
    *,
    name: str,
    address: str,
    version: tuple[int, int, int],
    ssh_port: int,
    registry_port: int,
    memory: Memory,
    lfs: bool,
    kas: bool,
    monitoring_networks: Sequence[str],
) -> str:
    """What GITLAB_OMNIBUS_CONFIG is: the lines of a gitlab.rb for the GitLab called `name`."""
    own = f"{address}/128" if ":" in address else f"{address}/32"
    return render(
        "gitlab_server/templates/omnibus.rb.j2",
        name=name,
        version=version,
        ssh_port=ssh_port,
        registry_port=registry_port,
        memory=sorted(MEMORY[memory].items()),
        lfs=lfs,
        kas=kas,
        monitors=["127.0.0.0/8", "::1/128", own, *monitoring_networks],
    )


def commands(data_directory: str) -> dict[str, str]:
    """The commands of the machine, by the last word of their names."""
    values = {"data": data_directory, "backups": BACKUPS}
    return {name: render(f"gitlab_server/templates/{name}.j2", **values) for name in ("backup", "restore")}


def write_ca_file(path: Path, certificate: str) -> str:
    """Makes `path` have the certificate, and returns it. It is no secret, but nobody else may change it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.is_file() or path.read_text() != certificate:
        draft = path.with_suffix(".new")
        draft.write_text(certificate)
        draft.chmod(0o600)
        draft.replace(path)
    return str(path)


class GitLabServer(pulumi.ComponentResource):
    """GitLab at `https://gitlab.<domain>` with its registry on a port of its own.

    Owns: the machine's Docker engine and its client certificate, GitLab's directories, certificates and container, the
    commands for backup and restore, the access token and the provider for its API.
    Does not own: the machine's sshd (see Host) and what people have in GitLab, which goes with the directories unless
    `keep_data` says otherwise.
    """

    url: pulumi.Output[str]
    """`https://gitlab.<domain>`; known once GitLab is configured and answers."""
    registry: pulumi.Output[str]
    """GitLab's own registry as images name it: `gitlab.<domain>:<port>`."""
    ssh_port: int
    """The port of git over SSH."""
    token: pulumi.Output[str]
    """An access token of GitLab's administrator, for the API and git. Secret; another one in every period."""
    provider: gitlab.Provider
    """GitLab's API, reached by address."""
    docker_provider: docker.Provider
    """The engine of GitLab's machine, reached by address."""
    ready: pulumi.Resource
    """What has to be there before anything uses GitLab."""

    def __init__(self, name: str, args: GitLabServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("auto-devops:index:GitLabServer", name, None, opts)
        gitlab_name = f"gitlab.{args.domain}"
        # What every script that talks to GitLab gets.
        place = {"NAME": gitlab_name, "ADDRESS": args.host.address, "DATA": args.data_directory}
        functions = {"gitlab.sh": _text("gitlab.sh")}
        data_variables = {"DATA": args.data_directory, "KEEP_DATA": str(args.keep_data).lower()}

        self.docker_provider = self._engine(name, args, gitlab_name)
        data = args.host.run(f"{name}-data", _script("data", "data-remove"), parent=self, variables=data_variables)
        certificate = args.ca.issue_server(f"{name}-tls", [gitlab_name], [args.host.address], parent=self)
        certificates = args.host.run(
            f"{name}-certificates",
            _script("certificates", "certificates-remove"),
            parent=self,
            variables=place,
            files=functions
            | {"certificate.pem": certificate.chain, "key.pem": certificate.key, "ca.pem": args.ca.certificate},
            # The engine gets a new certificate at the same time, and restarts for it: nobody may talk to it then.
            depends_on=[data, self.docker_provider],
        )
        wanted = args.host.run(
            f"{name}-version",
            _script("version", "nothing"),
            parent=self,
            variables={"DATA": args.data_directory, "WANTED": ".".join(map(str, args.version))},
            files=functions,
            depends_on=[data],
        )
        args.host.run(
            f"{name}-commands",
            _script("commands", "commands-remove"),
            parent=self,
            files=commands(args.data_directory),
        )
        container = self._container(name, args, gitlab_name, after=[data, certificates, wanted])
        ready = args.host.run(
            f"{name}-ready",
            _script("ready", "ready-remove"),
            parent=self,
            variables=place | {"REGISTRY_PORT": str(args.registry_port)},
            files=functions,
            # A replaced certificate has to be proved as well as a replaced container.
            triggers=[container.id, certificate.chain],
            depends_on=[container, certificates],
        )
        # Not triggered by the container: GitLab's data, and so the token, outlive it.
        period = {"DAYS": str(args.token_days), "PERIOD": str(token_period(args.today, args.token_days))}
        token = args.host.run(
            f"{name}-token",
            _script("token", "token-remove"),
            parent=self,
            variables=place | data_variables | period,
            files=functions | {ruby: _text(ruby) for ruby in ("token.rb", "revoke-all.rb")},
            depends_on=[ready],
            secret_output=True,
        )
        self.token = pulumi.Output.secret(token.stdout)
        self.provider = gitlab.Provider(
            f"{name}-api",
            base_url=f"https://{_bracketed(args.host.address)}/api/v4/",
            cacert_file=args.ca.certificate.apply(lambda pem: write_ca_file(args.ca_file, pem)),
            token=self.token,
            # GitLab is not there yet when the program begins.
            early_auth_check=False,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[ready]),
        )
        args.host.run(
            f"{name}-old-tokens",
            _script("revoke", "nothing"),
            parent=self,
            variables=place | period,
            files=functions | {"revoke.rb": _text("revoke.rb")},
            depends_on=[self.provider],
        )
        # By ids, which an update does not change; see docs/design.md.
        self.ready = ready
        self.url = ready.id.apply(lambda _: f"https://{gitlab_name}")
        self.registry = ready.id.apply(lambda _: f"{gitlab_name}:{args.registry_port}")
        self.ssh_port = args.ssh_port
        self.register_outputs(
            {"url": self.url, "registry": self.registry, "ssh_port": self.ssh_port, "token": self.token}
        )

    def _engine(self, name: str, args: GitLabServerArgs, gitlab_name: str) -> docker.Provider:
        engine = DockerEngine(
            f"{name}-docker",
            DockerEngineArgs(
                host=args.host,
                trusted=args.trusted,
                registry_mirrors=args.registry_mirrors,
                remote=RemoteAccess(args.ca, "gitlab", [gitlab_name]),
            ),
            # Stacks from before there was a GitLabServer have the engine by another name. Without the alias it would be
            # installed once more, and then removed.
            opts=pulumi.ResourceOptions(
                parent=self, aliases=[pulumi.Alias(name="gitlab-docker", parent=pulumi.ROOT_STACK_RESOURCE)]
            ),
        )
        client = args.ca.issue_client(f"{name}-client", f"pulumi.{args.domain}", "gitlab", parent=self)
        return docker.Provider(
            f"{name}-engine",
            host=engine.endpoint,
            ca_material=args.ca.certificate,
            cert_material=client.certificate,
            key_material=client.key,
            # Without the check at the start, a preview works while the machine is down, and so does a destroy.
            disable_docker_daemon_check=True,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[engine]),
        )

    def _container(
        self,
        name: str,
        args: GitLabServerArgs,
        gitlab_name: str,
        *,
        after: Sequence[pulumi.Resource],
    ) -> docker.Container:
        image = docker.RemoteImage(
            f"{name}-image",
            name=args.image,
            opts=pulumi.ResourceOptions(parent=self, provider=self.docker_provider),
        )
        text = configuration(
            name=gitlab_name,
            address=args.host.address,
            version=args.version,
            ssh_port=args.ssh_port,
            registry_port=args.registry_port,
            memory=args.memory,
            lfs=args.lfs,
            kas=args.kas,
            monitoring_networks=args.monitoring_networks,
        )
        port, volume = docker.ContainerPortArgs, docker.ContainerVolumeArgs
        return docker.Container(
            f"{name}-gitlab",
            name="gitlab",
            image=image.image_id,
            hostname=gitlab_name,
            envs=[f"GITLAB_OMNIBUS_CONFIG={text}"],
            ports=[
                port(internal=80, external=80),
                port(internal=443, external=443),
                port(internal=args.registry_port, external=args.registry_port),
                port(internal=22, external=args.ssh_port),
            ],
            volumes=[
                volume(host_path=f"{args.data_directory}/{directory}", container_path=path)
                for directory, path in {
                    "config": "/etc/gitlab",
                    "logs": "/var/log/gitlab",
                    "data": "/var/opt/gitlab",
                }.items()
            ],
            shm_size=256,
            restart="always",
            # PostgreSQL and Gitaly write out what they have; killed in the middle, they would have to repair it.
            stop_timeout=STOP_SECONDS,
            destroy_grace_seconds=STOP_SECONDS,
            # GitLab says much, and docker keeps all of it unless told otherwise.
            log_opts={"max-size": "50m", "max-file": "3"},
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=self.docker_provider,
                # Port 22 is free only when the machine's own sshd has left it.
                depends_on=[*after, *args.host.moved],
                # A container is known by its name and ports: the old one has to go before the new one can come.
                delete_before_replace=True,
            ),
        )


def _script(install: str, remove: str) -> Script:
    return Script(SCRIPTS / f"{install}.sh", SCRIPTS / f"{remove}.sh")


def _text(name: str) -> str:
    return (SCRIPTS / name).read_text()


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
