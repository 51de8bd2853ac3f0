"""GitLab and its machine.

Owns the section `gitlab`, and who has which port of the machine, its own sshd among them.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from names import DOCKER_TLS_PORT, MOVED_SSH_PORT, SSH_PORT
from settings.kinds import Image, MachineDirectory, Network, Port, Section
from settings.problems import Problem, Report, rejected, set_command

# How the version stands in the tag of GitLab's images.
_VERSION = re.compile(r":(\d+)\.(\d+)\.(\d+)-(?:ce|ee)\.\d+(?:@.*)?\Z")


def _with_version(image: str) -> str:
    if not _VERSION.search(image):
        raise rejected(
            "a tag with GitLab's version, such as 19.4.0-ce.0: upgrades that GitLab does not support are refused by it",
            set_command("gitlab.image", "docker.io/gitlab/gitlab-ce:19.4.0-ce.0"),
        )
    return image


GitLabImage = Annotated[Image, AfterValidator(_with_version)]


class GitLabSettings(Section):
    """GitLab and its machine."""

    host: str | None = Field(None, description="the machine; none: no GitLab", examples=["gitlab"])
    image: GitLabImage = Field(
        "docker.io/gitlab/gitlab-ce:19.4.0-ce.0",
        description="the image, with the version in its tag",
        examples=["docker.io/gitlab/gitlab-ce:19.4.0-ce.0"],
    )
    ssh_port: Port = Field(
        SSH_PORT, description="the port of git by SSH; if it is the machine's own sshd's, that moves", examples=[22]
    )
    machine_ssh_port: Port | None = Field(
        None,
        description="where the machine's own sshd moves to; none: to 2222 where GitLab takes its port, else nowhere",
        examples=[2222],
    )
    registry_port: Port = Field(4567, description="the port of GitLab's own registry", examples=[4567])
    data_directory: MachineDirectory = Field(
        "/srv/gitlab", description="where all data are on the machine", examples=["/srv/gitlab"]
    )
    keep_data: bool = Field(
        False, description="true leaves the data on the machine when GitLab leaves the stack", examples=["true"]
    )
    memory: Literal["constrained", "standard", "large"] = Field(
        "standard",
        description="how large the machine is: constrained about 4 GB, standard 8 GB, large more, where GitLab chooses",
    )
    token_days: int = Field(
        180,
        ge=2,
        le=365,
        description="how many days the stack's own access token is good for; an up in its second half renews it",
        examples=[180],
    )
    lfs: bool = Field(True, description="whether repositories may have large files (Git LFS)", examples=["true"])
    kas: bool = Field(
        True, description="whether GitLab serves agents for Kubernetes (KAS), where it can", examples=["true"]
    )
    monitoring_networks: list[Network] = Field(
        default_factory=lambda: ["172.16.0.0/12"],
        description="who else sees GitLab's health; the Docker engine's own network on the machine has to be in it",
        examples=['["172.16.0.0/12"]'],
    )

    @property
    def version(self) -> tuple[int, int, int]:
        """The version of the image."""
        match = _VERSION.search(self.image)
        assert match, self.image
        return int(match[1]), int(match[2]), int(match[3])

    def sshd(self, port: int) -> tuple[int, int | None]:
        """Where the machine's sshd ends up, and where it comes from if it moves; `port` is where it is now."""
        wanted = self.machine_ssh_port or (MOVED_SSH_PORT if self.ssh_port == port else port)
        return wanted, (port if wanted != port else None)


def check(gitlab: GitLabSettings, sshd: int, report: Report) -> None:
    """Everything on GitLab's machine that listens has a port of its own; `sshd` is where its sshd is now."""
    taken = {80: "GitLab's site", 443: "GitLab's site", DOCKER_TLS_PORT: "the Docker engine"}
    for key, port, what, free in (
        ("gitlab.sshPort", gitlab.ssh_port, "git by SSH", 2224),
        ("gitlab.registryPort", gitlab.registry_port, "GitLab's registry", 4567),
        ("gitlab.machineSshPort", gitlab.sshd(sshd)[0], "the machine's own sshd", MOVED_SSH_PORT),
    ):
        if port in taken:
            while free in taken:
                free += 1
            expected = f"another port: {port} is {taken[port]}'s"
            report(Problem(key, str(port), expected, set_command(key, str(free))))
        taken.setdefault(port, what)
