"""GitLabRunner: CI jobs in containers, on GitLab's machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_docker as docker

from components.ca import CA
from components.gitlab_runner.registration import CLIENT, Registration, environment
from components.host import Host, Script
from components.templates import render

SCRIPTS = Path(__file__).parent / "scripts"
DIRECTORY = "/srv/gitlab-runner"
"""On the machine; the runner has it as /etc/gitlab-runner. The scripts name it too."""


@dataclass(frozen=True)
class GitLabRunnerArgs:
    """`image`, `default_image` (for jobs that name none) and `helper_image` are pulled as they are, mirrors applied.

    `name_server` is the address that containers ask; "" leaves that to the machine's own resolver.
    """

    host: Host
    trusted: pulumi.Resource
    docker_provider: docker.Provider
    ca: CA
    domain: str
    image: str
    default_image: str
    registrations: Sequence[Registration]
    helper_image: str | None = None
    concurrent: int = 4
    name_server: str = ""


def cache_volume(name: str) -> str:
    """The volume that keeps /cache between the jobs of the runner `name`, and of no other."""
    return f"auto-devops-cache-{name}"


def configuration(
    *,
    domain: str,
    tokens: Mapping[str, str],
    concurrent: int,
    default_image: str,
    helper_image: str | None,
    name_server: str,
) -> str:
    """The runner's config.toml; `tokens` are those of the runners, by name."""
    return render(
        "gitlab_runner/templates/config.toml.j2",
        concurrent=concurrent,
        url=f"https://gitlab.{domain}",
        runners=[{"name": name, "token": token, "cache": cache_volume(name)} for name, token in sorted(tokens.items())],
        default_image=default_image,
        helper_image=helper_image,
        name_server=name_server,
        client=CLIENT,
        client_on_machine=f"{DIRECTORY}/docker",
        environment=environment(domain),
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
        client = args.ca.issue_client(f"{name}-client", f"runner.{args.domain}", "shared", parent=self)
        names = [registration.name for registration in args.registrations]
        tokens: pulumi.Output[list[str]] = pulumi.Output.secret(
            pulumi.Output.all(*[registration.token for registration in args.registrations])
        )
        text = tokens.apply(
            lambda values: configuration(
                domain=args.domain,
                tokens=dict(zip(names, values, strict=True)),
                concurrent=args.concurrent,
                default_image=args.default_image,
                helper_image=args.helper_image,
                name_server=args.name_server,
            )
        )
        configured = args.host.run(
            f"{name}-configuration",
            Script(SCRIPTS / "configure.sh", SCRIPTS / "remove.sh"),
            parent=self,
            files={
                "config.toml": text,
                "ca.crt": args.ca.certificate,
                "ca.pem": args.ca.certificate,
                "cert.pem": client.certificate,
                "key.pem": client.key,
                "volumes": "".join(f"{cache_volume(runner)}\n" for runner in sorted(names)),
            },
            # With the engine: the removal takes away on it what is left of jobs.
            depends_on=[args.trusted, args.docker_provider],
        )
        self.configured = configured.id
        on_engine = pulumi.ResourceOptions(parent=self, provider=args.docker_provider)
        image = docker.RemoteImage(f"{name}-image", name=args.image, opts=on_engine)
        docker.Container(
            f"{name}-container",
            name="gitlab-runner",
            image=image.image_id,
            restart="always",
            dns=[args.name_server] if args.name_server else None,
            volumes=[
                docker.ContainerVolumeArgs(host_path=DIRECTORY, container_path="/etc/gitlab-runner"),
                # Jobs are its siblings on the machine's engine.
                docker.ContainerVolumeArgs(host_path="/var/run/docker.sock", container_path="/var/run/docker.sock"),
            ],
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=args.docker_provider,
                # A changed configuration is read again, so nothing of it is an input here.
                depends_on=[configured],
                # A container is known by its name: the old one has to go before the new one can come.
                delete_before_replace=True,
            ),
        )
        self.register_outputs({"configured": self.configured})
