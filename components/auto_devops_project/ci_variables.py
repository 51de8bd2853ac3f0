"""The CI variables of a project."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_gitlab as gitlab

from components.auto_devops_project import access
from components.auto_devops_project.delivery import Delivery
from components.ci_images import IMAGE_VARIABLES, roles
from components.secrets import secret
from settings.projects import ProjectSettings
from settings.registry import LoginSettings


@dataclass(frozen=True)
class Variable:
    """A CI variable. `masked` hides it in job logs; `protected` keeps it to protected branches."""

    value: pulumi.Input[str]
    masked: bool = False
    protected: bool = False
    file: bool = False

    def make(
        self, name: str, key: str, project: gitlab.Project, opts: pulumi.ResourceOptions
    ) -> gitlab.ProjectVariable:
        """Registers the variable as `key` of `project`."""
        return gitlab.ProjectVariable(
            f"{name}-variable-{key}",
            project=project.id,
            key=key,
            value=self.value,
            variable_type="file" if self.file else "env_var",
            masked=self.masked,
            protected=self.protected,
            # A dollar is a dollar.
            raw=True,
            opts=opts,
        )


def docker_config(registry: str, login: LoginSettings) -> pulumi.Output[str]:
    """Docker's config.json with the login of the registry. Secret."""
    return secret(access.docker_config(registry, login.username, login.password.get_secret_value()))


def of_the_platform(delivery: Delivery, project: ProjectSettings) -> dict[str, Variable]:
    """The variables that every project of the platform has: registry, cluster, images."""
    names = delivery.site.names
    variables = {
        "KUBE_NAMESPACE": Variable(project.slug),
        "KUBE_INGRESS_BASE_DOMAIN": Variable(names.kubernetes),
        "REGISTRY": Variable(names.registry),
        "IMAGE_RUNTIME": Variable(delivery.site.downloads.image(delivery.ci.images.runtime)),
        **{IMAGE_VARIABLES[role]: Variable(delivery.images[role]) for role in roles(project.pipeline)},
    }
    if delivery.login:
        # The name that GitLab Runner looks for to pull jobs' images with.
        variables["DOCKER_AUTH_CONFIG"] = Variable(docker_config(names.registry, delivery.login), masked=True)
        variables["PULL_SECRET"] = Variable(access.PULL_SECRET)
    if delivery.ci.go_proxy:
        variables["GOPROXY"] = Variable(delivery.ci.go_proxy)
    return variables


def of_the_user(project: ProjectSettings) -> dict[str, Variable]:
    """The variables and secrets that the project's own settings name."""
    return {
        **{key: Variable(value) for key, value in project.variables.items()},
        **{key: Variable(secret(value.get_secret_value()), masked=True) for key, value in project.secrets.items()},
    }
