"""AutoDevOpsProject: a project in GitLab, a namespace in the cluster, and what leads from the one to the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_gitlab as gitlab

from components.auto_devops_project import access, ci_variables, first_commit
from components.auto_devops_project.ci_variables import Variable
from components.auto_devops_project.cluster_access import give_access
from components.auto_devops_project.delivery import Delivery
from components.auto_devops_project.project_group import ProjectGroup
from components.host import Script
from components.secrets import secret
from names import bracketed
from settings.projects import ProjectSettings

SCRIPTS = Path(__file__).parent / "scripts"
CHART = Path(__file__).resolve().parents[2] / "charts" / "microservice"


@dataclass(frozen=True)
class AutoDevOpsProjectArgs:
    """`settings` are the project's own; `group` is the one that they name."""

    delivery: Delivery
    group: ProjectGroup
    settings: ProjectSettings


class AutoDevOpsProject(pulumi.ComponentResource):
    """A project `<group>/<project>` in GitLab, whose pushes reach `http://<group>-<project>.k8s.<domain>`.

    Owns: the project in GitLab with its protected branch, CI variables and runner; the namespace `<group>-<project>`
    with the one account that its pipeline has there. Removal takes the repository and what was deployed with it.
    Does not own: what people push, not even the first commit once it is there; images in the registries.
    """

    project_url: pulumi.Output[str]
    service_url: str
    clone_https: pulumi.Output[str]
    clone_ssh: pulumi.Output[str]
    runner_token: pulumi.Output[str]
    """The authentication token of the project's runner. Secret."""
    addresses: dict[str, pulumi.Input[str]]
    """All four of the addresses, and the default branch, as the stack's output `projects` names them."""

    def __init__(self, name: str, args: AutoDevOpsProjectArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("auto-devops:index:AutoDevOpsProject", name, None, opts)
        self._name, self._delivery, self._settings = name, args.delivery, args.settings
        delivery, settings, names = args.delivery, args.settings, args.delivery.site.names

        in_gitlab = self._in_gitlab()
        project = gitlab.Project(
            f"{name}-project",
            name=settings.name,
            path=settings.name,
            namespace_id=args.group.id,
            visibility_level="private",
            # Not its default branch: GitLab knows none of an empty repository, and takes the first that is pushed.
            initialize_with_readme=False,
            # Pipelines are what the repository's own .gitlab-ci.yml says; Auto DevOps is included there.
            auto_devops_enabled=False,
            permanently_delete_on_destroy=True,
            opts=in_gitlab,
        )
        protection = gitlab.BranchProtection(
            f"{name}-branch",
            project=project.id,
            branch=settings.branch,
            push_access_level="maintainer",
            merge_access_level="maintainer",
            allow_force_push=False,
            opts=in_gitlab,
        )
        runner = gitlab.UserRunner(
            f"{name}-runner",
            runner_type="project_type",
            project_id=project.id.apply(int),
            description=f"the platform's, for {settings.path}",
            untagged=True,
            # None at all is said, too: the provider would keep those that were there.
            tag_lists=delivery.ci.tags,
            locked=True,
            opts=in_gitlab,
        )
        cluster = give_access(name, self, delivery, settings, project)
        variables = {
            **cluster.variables,
            **ci_variables.of_the_platform(delivery, settings),
            **(self._own_pull_token(project) if settings.pipeline == "auto" else {}),
            # The user's own come last: they may say something else.
            **ci_variables.of_the_user(settings),
        }
        made = [variable.make(name, key, project, in_gitlab) for key, variable in variables.items()]
        if settings.source:
            self._first_commit(settings.source, project, after=[protection, runner, *cluster.ready, *made])

        self.project_url = project.id.apply(lambda _: f"{names.gitlab_url}/{settings.path}")
        self.service_url = f"http://{names.application(settings.slug)}"
        self.clone_https = project.http_url_to_repo
        self.clone_ssh = project.ssh_url_to_repo
        self.runner_token = secret(runner.token)
        self.addresses = {
            "url": self.project_url,
            "serviceUrl": self.service_url,
            "cloneHttps": self.clone_https,
            "cloneSsh": self.clone_ssh,
            "branch": settings.branch,
        }
        self.register_outputs(
            {
                "project_url": self.project_url,
                "service_url": self.service_url,
                "clone_https": self.clone_https,
                "clone_ssh": self.clone_ssh,
                "runner_token": self.runner_token,
            }
        )

    def _in_gitlab(self) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, provider=self._delivery.gitlab.provider)

    def _own_pull_token(self, project: gitlab.Project) -> dict[str, Variable]:
        """The deploy token with which the cluster pulls from GitLab's registry what Auto DevOps deploys."""
        # Without it Auto DevOps gives the cluster the job's own token, which ends with the job: a pod that moves to
        # another node later could not be pulled any more.
        pull = gitlab.ProjectDeployToken(
            f"{self._name}-pull",
            project=project.id,
            name="cluster",
            scopes=["read_registry"],
            opts=self._in_gitlab(),
        )
        return {
            "CI_DEPLOY_USER": Variable(pull.username, protected=True),
            "CI_DEPLOY_PASSWORD": Variable(secret(pull.token), masked=True, protected=True),
        }

    def _first_commit(self, source: Path, project: gitlab.Project, *, after: Sequence[pulumi.Resource]) -> None:
        settings, delivery = self._settings, self._delivery
        files, unusable = first_commit.read_source(source)
        if not unusable and settings.pipeline == "custom" and not any(path.startswith("chart/") for path in files):
            # What its pipeline deploys with. From here on it is the project's own, to be changed as it needs.
            files |= first_commit.read(CHART, under="chart/")
        host = delivery.gitlab.host
        host.run(
            f"{self._name}-first-commit",
            Script(SCRIPTS / "first-commit.sh", SCRIPTS / "keep-commits.sh"),
            parent=self,
            variables={
                "GITLAB": delivery.site.names.gitlab,
                "ADDRESS": bracketed(host.address),
                "PROJECT": settings.path,
            },
            files={
                "commit.json": first_commit.request(settings.branch, files),
                "curl.conf": secret(delivery.gitlab.token).apply(access.curl_header),
                **unusable,
            },
            depends_on=[*after, *delivery.ready],
            # Never again for this project: what people push stays, and a change of the directory is none here.
            once_for=project.id,
        )
