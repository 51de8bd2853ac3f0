"""GitLabRunner: CI jobs in containers, on GitLab's machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_docker as docker

from components import docker_engine
from components.dns import NameService
from components.gitlab_runner.jobs import CLIENT, RunnerToken, environment
from components.gitlab_server import GitLabAccess
from components.host import Check, Script
from components.secrets import secret
from components.site import Site
from components.templates import render
from names import RUNNER_CACHE, RUNNER_CONTAINER, RUNNER_DIRECTORY, Names
from settings.ci import CiSettings
from settings.machines import Machine
from settings.mirrors import Downloads

SCRIPTS = Path(__file__).parent / "scripts"
CHECK = SCRIPTS / "check.sh"


@dataclass(frozen=True)
class GitLabRunnerArgs:
    """The runner's container runs on GitLab's machine; its jobs' containers use `dns`."""

    site: Site
    gitlab: GitLabAccess
    settings: CiSettings
    tokens: Sequence[RunnerToken]
    dns: NameService


def _variables(host: str) -> dict[str, str]:
    return {"HOST_NAME": host}


def check(name: str, machine: Machine) -> Check:
    """What GitLab's machine is looked at for before the runner comes there; `name` is the component's."""
    return Check(machine, f"{name}-configuration", CHECK, _variables(machine.name))


def cache_volume(name: str) -> str:
    """The volume that keeps /cache between the jobs of the runner `name`, and of no other."""
    return f"{RUNNER_CACHE}{name}"


def configuration(
    names: Names, settings: CiSettings, downloads: Downloads, tokens: Mapping[str, str], name_server: str
) -> str:
    """The runner's config.toml; `tokens` are those of the runners, by name.

    `name_server` is the address that containers ask; "" leaves that to the machine's own resolver.
    """
    return render(
        "gitlab_runner/templates/config.toml.j2",
        concurrent=settings.concurrent,
        url=names.gitlab_url,
        runners=[{"name": name, "token": token, "cache": cache_volume(name)} for name, token in sorted(tokens.items())],
        default_image=downloads.image(settings.images.runtime),
        helper_image=settings.helper_image(downloads),
        name_server=name_server,
        client=CLIENT,
        client_on_machine=f"{RUNNER_DIRECTORY}/docker",
        environment=environment(names),
    )


class GitLabRunner(pulumi.ComponentResource):
    """One runner process for all projects: jobs are containers on its machine, and may use the shared Docker engine.

    Owns: the container, its configuration (which it reads again by itself when it changes), the Docker client's
    certificate, and what is left of jobs: their containers and caches.
    Does not own: the runners in GitLab that the tokens belong to; those are each project's.
    """

    configured: pulumi.Output[str]
    """Known once the runner has the configuration."""

    def __init__(self, name: str, args: GitLabRunnerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("auto-devops:index:GitLabRunner", name, None, opts)
        site, settings, engine, dns = args.site, args.settings, args.gitlab.engine, args.dns
        ca = site.ca
        client = ca.issue_client(f"{name}-client", f"runner.{site.names.domain}", "shared", parent=self)
        runners = [token.name for token in args.tokens]
        tokens = secret(pulumi.Output.all(*[token.token for token in args.tokens]))
        text = tokens.apply(
            lambda values: configuration(
                site.names, settings, site.downloads, dict(zip(runners, values, strict=True)), dns.address
            )
        )
        configured = args.gitlab.host.run(
            f"{name}-configuration",
            Script(SCRIPTS / "configure.sh", SCRIPTS / "remove.sh", CHECK),
            parent=self,
            variables=_variables(args.gitlab.host.name),
            files={
                "config.toml": text,
                "ca.crt": ca.certificate,
                "ca.pem": ca.certificate,
                "cert.pem": client.certificate,
                "key.pem": client.key,
                "volumes": "".join(f"{cache_volume(runner)}\n" for runner in sorted(runners)),
            },
            # With the engine: the removal takes away on it what is left of jobs.
            depends_on=[engine],
        )
        self.configured = configured.id
        on_engine = pulumi.ResourceOptions(parent=self, provider=engine)
        image = docker_engine.image(f"{name}-image", site.downloads.image(settings.images.runner), on_engine)
        docker.Container(
            f"{name}-container",
            name=RUNNER_CONTAINER,
            image=image.image_id,
            restart="always",
            dns=[dns.address] if dns.address else None,
            volumes=[
                docker.ContainerVolumeArgs(host_path=RUNNER_DIRECTORY, container_path="/etc/gitlab-runner"),
                # Jobs are its siblings on the machine's engine.
                docker.ContainerVolumeArgs(host_path="/var/run/docker.sock", container_path="/var/run/docker.sock"),
            ],
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=engine,
                # A changed configuration is read again, so nothing of it is an input here.
                depends_on=[configured],
                # A container is known by its name: the old one has to go before the new one can come.
                delete_before_replace=True,
            ),
        )
        self.register_outputs({"configured": self.configured})
