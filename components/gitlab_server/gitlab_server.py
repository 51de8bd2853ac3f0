"""GitLabServer: GitLab in a container on its own machine, and access to its API."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_docker as docker
import pulumi_gitlab as gitlab

from components import docker_engine
from components.ca import TrustedHost
from components.docker_engine import Claims, DockerEngine, DockerEngineArgs
from components.host import Check, Script
from components.secrets import secret
from components.site import Site
from components.templates import render
from names import MOVED_SSH_PORT, RUNNER_CACHE, RUNNER_CONTAINER, RUNNER_DIRECTORY, SSH_PORT, Names, bracketed
from settings.ci import CiSettings
from settings.gitlab import GitLabSettings
from settings.machines import Machine
from settings.mirrors import Downloads

SCRIPTS = Path(__file__).parent / "scripts"
DATA_CHECK = SCRIPTS / "data-check.sh"
BACKUPS = "/var/backups/auto-devops-gitlab"
STOP_SECONDS = 120

# What each size of machine leaves to GitLab (https://docs.gitlab.com/omnibus/settings/memory_constrained_envs); for a
# large one its own choice by cores and memory is right.
MEMORY: dict[str, dict[str, str]] = {
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
    """`today` sets the period in which the access token is the same. `pulled` are the machine's `images`."""

    site: Site
    host: TrustedHost
    settings: GitLabSettings
    pulled: Sequence[str]
    today: datetime.date


@dataclass(frozen=True)
class GitLabAccess:
    """GitLab as others use it: its machine, that machine's Docker engine, and its API.

    `token` is an access token of GitLab's administrator, secret. `provider` and `token` are there once GitLab answers.
    """

    host: TrustedHost
    engine: docker.Provider
    provider: gitlab.Provider
    token: pulumi.Output[str]


def images(settings: GitLabSettings, ci: CiSettings, downloads: Downloads) -> list[str]:
    """What is pulled on the machine, by the runner as well; jobs' own images are the platform's."""
    pulled = [downloads.image(settings.image)]
    if ci.runner == "docker":
        pulled += [downloads.image(ci.images.runner), downloads.image(ci.images.runtime), *ci.helper_images(downloads)]
    return pulled


def claims(settings: GitLabSettings, pulled: Sequence[str]) -> Claims:
    """What is taken in the engine, by the runner as well: it comes and goes while GitLab stays. Ports: see `check`."""
    return Claims(
        containers=("gitlab", RUNNER_CONTAINER),
        volumes=(f"{RUNNER_CACHE}*",),
        mounts=(f"{settings.data_directory}/config", RUNNER_DIRECTORY),
        images=pulled,
        bounds_logs=True,
    )


def engine_check(name: str, machine: Machine, names: Names, settings: GitLabSettings, pulled: Sequence[str]) -> Check:
    """What the machine of the GitLabServer `name` is looked at for, by its Docker engine; `pulled` are its `images`."""
    return docker_engine.check(f"{name}-docker", machine, names.domain, claims(settings, pulled))


def _data(host: str, names: Names, settings: GitLabSettings, *, sshd_moves: bool) -> dict[str, str]:
    """What the script of GitLab's data has in its environment, and so its check."""
    return {
        "HOST_NAME": host,
        "NAME": names.gitlab,
        "DATA": settings.data_directory,
        "KEEP_DATA": str(settings.keep_data).lower(),
        "PORTS": f"80 443 {settings.registry_port} {settings.ssh_port}",
        "SSH_PORT": str(settings.ssh_port),
        "SSHD_MOVES": "yes" if sshd_moves else "no",
        "SSHD_PORT": str(settings.machine_ssh_port or MOVED_SSH_PORT),
    }


def check(name: str, machine: Machine, names: Names, settings: GitLabSettings) -> Check:
    """What GitLab's machine is looked at for: its data and its ports. `name` is the component's."""
    moves = bool(machine.moves_from) and not machine.keeps_old_port
    return Check(machine, f"{name}-data", DATA_CHECK, _data(machine.name, names, settings, sshd_moves=moves))


def token_period(today: datetime.date, token_days: int) -> int:
    """The number of the period that `today` is in: it changes after every half of a token's lifetime.

    So a token that was made at any day of one period is still good through the whole of the next.
    """
    return today.toordinal() // max(1, token_days // 2)


def configuration(name: str, address: str, settings: GitLabSettings) -> str:
    """What GITLAB_OMNIBUS_CONFIG is: the lines of a gitlab.rb for the GitLab called `name`.

    It shows its health to itself, its machine and the settings' networks: the Docker engine's are among those, as that
    is where it sees its machine's own questions come from.
    """
    own = f"{address}/128" if ":" in address else f"{address}/32"
    return render(
        "gitlab_server/templates/omnibus.rb.j2",
        name=name,
        version=settings.version,
        ssh_port=settings.ssh_port,
        registry_port=settings.registry_port,
        memory=sorted(MEMORY[settings.memory].items()),
        lfs=settings.lfs,
        kas=settings.kas,
        monitors=["127.0.0.0/8", "::1/128", own, *settings.monitoring_networks],
    )


def commands(data_directory: str) -> dict[str, str]:
    """The commands of the machine, by the last word of their names."""
    values = {"data": data_directory, "backups": BACKUPS}
    return {name: render(f"gitlab_server/templates/{name}.j2", **values) for name in ("backup", "restore")}


def ca_file() -> Path:
    """Where on this computer the gitlab provider finds the CA's certificate: it reads it from a file."""
    return Path.home() / f".cache/auto-devops/ca/{pulumi.get_stack()}.crt"


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
    ready: pulumi.Resource
    """There once GitLab is configured and answers."""
    access: GitLabAccess

    def __init__(self, name: str, args: GitLabServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("auto-devops:index:GitLabServer", name, None, opts)
        names, ca, settings, host = args.site.names, args.site.ca, args.settings, args.host
        # What every script that talks to GitLab gets.
        place = {"NAME": names.gitlab, "ADDRESS": host.address, "DATA": settings.data_directory}
        functions = {"gitlab.sh": _text("gitlab.sh")}

        engine = self._engine(name, args)
        data = host.run(
            f"{name}-data",
            Script(SCRIPTS / "data.sh", SCRIPTS / "data-remove.sh", DATA_CHECK),
            parent=self,
            variables=_data(host.name, names, settings, sshd_moves=bool(host.moved)),
        )
        certificate = ca.issue_server(f"{name}-tls", [names.gitlab], [host.address], parent=self)
        certificates = host.run(
            f"{name}-certificates",
            _script("certificates", "certificates-remove"),
            parent=self,
            variables=place,
            files=functions
            | {"certificate.pem": certificate.chain, "key.pem": certificate.key, "ca.pem": ca.certificate},
            # The engine gets a new certificate at the same time, and restarts for it: nobody may talk to it then.
            depends_on=[data, engine],
        )
        wanted = host.run(
            f"{name}-version",
            _script("version", "nothing"),
            parent=self,
            variables={"DATA": settings.data_directory, "WANTED": ".".join(map(str, settings.version))},
            files=functions,
            depends_on=[data],
        )
        host.run(
            f"{name}-commands",
            _script("commands", "commands-remove"),
            parent=self,
            files=commands(settings.data_directory),
        )
        container = self._container(name, args, engine, after=[data, certificates, wanted])
        self.ready = host.run(
            f"{name}-ready",
            _script("ready", "ready-remove"),
            parent=self,
            variables=place | {"REGISTRY_PORT": str(settings.registry_port)},
            files=functions,
            # A replaced certificate has to be proved as well as a replaced container.
            triggers=[container.id, certificate.chain],
            depends_on=[container, certificates],
        )
        # Not triggered by the container: GitLab's data, and so the token, outlive it.
        period = {"DAYS": str(settings.token_days), "PERIOD": str(token_period(args.today, settings.token_days))}
        token = host.run(
            f"{name}-token",
            _script("token", "token-remove"),
            parent=self,
            variables=place | {"KEEP_DATA": str(settings.keep_data).lower()} | period,
            files=functions | {ruby: _text(ruby) for ruby in ("token.rb", "revoke-all.rb")},
            depends_on=[self.ready],
            secret_output=True,
        )
        self.token = secret(token.stdout)
        provider = gitlab.Provider(
            f"{name}-api",
            base_url=f"https://{bracketed(host.address)}/api/v4/",
            cacert_file=ca.certificate.apply(lambda pem: write_ca_file(ca_file(), pem)),
            token=self.token,
            # GitLab is not there yet when the program begins.
            early_auth_check=False,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self.ready]),
        )
        host.run(
            f"{name}-old-tokens",
            _script("revoke", "nothing"),
            parent=self,
            variables=place | period,
            files=functions | {"revoke.rb": _text("revoke.rb")},
            depends_on=[provider],
        )
        self.access = GitLabAccess(host, engine, provider, self.token)
        # By ids, which an update does not change; see docs/design.md.
        self.url = self.ready.id.apply(lambda _: names.gitlab_url)
        self.registry = self.ready.id.apply(lambda _: f"{names.gitlab}:{settings.registry_port}")
        self.ssh_port = settings.ssh_port
        self.register_outputs(
            {"url": self.url, "registry": self.registry, "ssh_port": self.ssh_port, "token": self.token}
        )

    def _engine(self, name: str, args: GitLabServerArgs) -> docker.Provider:
        return DockerEngine(
            f"{name}-docker",
            DockerEngineArgs(
                site=args.site,
                host=args.host,
                engine="gitlab",
                dns_names=[args.site.names.gitlab],
                owner=self,
                owner_name=name,
                claims=claims(args.settings, args.pulled),
            ),
            # Stacks from before there was a GitLabServer have the engine by another name. Without the alias it would be
            # installed once more, and then removed.
            opts=pulumi.ResourceOptions(
                parent=self, aliases=[pulumi.Alias(name="gitlab-docker", parent=pulumi.ROOT_STACK_RESOURCE)]
            ),
        ).provider

    def _container(
        self, name: str, args: GitLabServerArgs, engine: docker.Provider, *, after: Sequence[pulumi.Resource]
    ) -> docker.Container:
        settings, gitlab_name = args.settings, args.site.names.gitlab
        image = docker_engine.image(
            f"{name}-image",
            args.site.downloads.image(settings.image),
            pulumi.ResourceOptions(parent=self, provider=engine),
        )
        text = configuration(gitlab_name, args.host.address, settings)
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
                port(internal=settings.registry_port, external=settings.registry_port),
                port(internal=SSH_PORT, external=settings.ssh_port),
            ],
            volumes=[
                volume(host_path=f"{settings.data_directory}/{directory}", container_path=path)
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
            # The driver that knows these, whatever the engine's own is. Containers from before this go without:
            # it would replace them (pulumi-docker's schema).
            log_driver="json-file",
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=engine,
                # Port 22 is free only when the machine's own sshd has left it.
                depends_on=[*after, *args.host.moved],
                ignore_changes=["logDriver"],
                # A container is known by its name and ports: the old one has to go before the new one can come.
                delete_before_replace=True,
            ),
        )


def _script(install: str, remove: str) -> Script:
    return Script(SCRIPTS / f"{install}.sh", SCRIPTS / f"{remove}.sh")


def _text(name: str) -> str:
    return (SCRIPTS / name).read_text()
