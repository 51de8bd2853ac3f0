"""AutoDevOpsProject: a project in GitLab, a namespace in the cluster, and what leads from the one to the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pulumi
import pulumi_gitlab as gitlab

from components.auto_devops_project import access, first_commit
from components.auto_devops_project.project_agent import AgentArgs, ProjectAgent, ProjectAgentArgs
from components.cluster_object import ClusterObject
from components.host import Host, Script
from components.registry_host import Login

SCRIPTS = Path(__file__).parent / "scripts"
CHART = Path(__file__).resolve().parents[2] / "charts" / "microservice"

_ROLES = {"auto": ("autoBuild", "autoDeploy", "go"), "custom": ("docker", "go", "kubernetes")}
_IMAGE_VARIABLES = {
    "autoBuild": "IMAGE_AUTO_BUILD",
    "autoDeploy": "IMAGE_AUTO_DEPLOY",
    "docker": "IMAGE_DOCKER",
    "go": "IMAGE_GO",
    "kubernetes": "IMAGE_KUBERNETES",
}


def roles(pipeline: Literal["auto", "custom"]) -> Sequence[str]:
    """The roles of the images (see CiImages) that the jobs of a kind of pipeline run in."""
    return _ROLES[pipeline]


@dataclass(frozen=True)
class ProjectGroupArgs:
    """`gitlab_provider` is the GitLab that the group is made in."""

    path: str
    gitlab_provider: gitlab.Provider


class ProjectGroup(pulumi.ComponentResource):
    """A private group in GitLab.

    Owns: the group, which GitLab itself keeps for some days after its removal, by another path.
    Does not own: its members, who are people's business, and its projects.
    """

    path: str
    id: pulumi.Output[int]

    def __init__(self, name: str, args: ProjectGroupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("auto-devops:index:ProjectGroup", name, None, opts)
        self.path = args.path
        group = gitlab.Group(
            f"{name}-group",
            name=args.path,
            path=args.path,
            visibility_level="private",
            # Not removed for good at once: GitLab allows that for subgroups alone, and answers 400 here.
            opts=pulumi.ResourceOptions(parent=self, provider=args.gitlab_provider),
        )
        self.id = group.id.apply(int)
        self.register_outputs({"id": self.id})


@dataclass(frozen=True)
class Platform:
    """What all projects of a stack share.

    `gitlab_host` is GitLab's machine, `gitlab_token` a token for its API, `kubernetes_endpoint` the API server's
    address, `images` the jobs' images by role, `runtime_image` the base of what the sample services build. With
    `agent`, pipelines reach the cluster through GitLab's agents; without, by a kubeconfig. `ready` is what the first
    pipeline needs beside that.
    """

    domain: str
    gitlab_host: Host
    gitlab_provider: gitlab.Provider
    gitlab_token: pulumi.Input[str]
    kubernetes_provider: pulumi.ProviderResource
    kubernetes_endpoint: str
    images: Mapping[str, pulumi.Input[str]]
    runtime_image: str
    go_proxy: str | None = None
    login: Login | None = None
    agent: AgentArgs | None = None
    ready: Sequence[pulumi.Resource] = ()


@dataclass(frozen=True)
class AutoDevOpsProjectArgs:
    """`source` is a directory whose files become the first commit.

    `variables` and `secrets` (which job logs hide) are further CI variables.
    """

    platform: Platform
    group: ProjectGroup
    project: str
    pipeline: Literal["auto", "custom"]
    branch: str = "main"
    source: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Variable:
    """A CI variable. `masked` hides it in job logs; `protected` keeps it to protected branches."""

    value: pulumi.Input[str]
    masked: bool = False
    protected: bool = False
    file: bool = False


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
    """What the runner process proves with that it is this project's runner. Secret."""
    addresses: dict[str, pulumi.Input[str]]
    """All four of the addresses, and the default branch, as the stack's output `projects` names them."""

    def __init__(self, name: str, args: AutoDevOpsProjectArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("auto-devops:index:AutoDevOpsProject", name, None, opts)
        self._name, self._args, self._platform = name, args, args.platform
        self._path = f"{args.group.path}/{args.project}"
        self._namespace = f"{args.group.path}-{args.project}"
        self._registry = f"registry.{args.platform.domain}"
        base_domain = f"k8s.{args.platform.domain}"

        in_gitlab = self._in_gitlab()
        project = gitlab.Project(
            f"{name}-project",
            name=args.project,
            path=args.project,
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
            branch=args.branch,
            push_access_level="maintainer",
            merge_access_level="maintainer",
            allow_force_push=False,
            opts=in_gitlab,
        )
        runner = gitlab.UserRunner(
            f"{name}-runner",
            runner_type="project_type",
            project_id=project.id.apply(int),
            description=f"the platform's, for {self._path}",
            untagged=True,
            locked=True,
            opts=in_gitlab,
        )
        link, cluster = self._cluster(project)
        variables = {
            **link,
            "KUBE_NAMESPACE": _Variable(self._namespace),
            "KUBE_INGRESS_BASE_DOMAIN": _Variable(base_domain),
            "REGISTRY": _Variable(self._registry),
            "IMAGE_RUNTIME": _Variable(self._platform.runtime_image),
            **{_IMAGE_VARIABLES[role]: _Variable(self._platform.images[role]) for role in roles(args.pipeline)},
            **self._logins(project),
        }
        if self._platform.go_proxy:
            variables["GOPROXY"] = _Variable(self._platform.go_proxy)
        # The user's own come last: they may say something else.
        variables |= {key: _Variable(value) for key, value in args.variables.items()}
        variables |= {key: _Variable(pulumi.Output.secret(v), masked=True) for key, v in args.secrets.items()}
        made = [self._variable(project, key, variable) for key, variable in variables.items()]
        if args.source:
            self._first_commit(args.source, project, after=[protection, runner, *cluster, *made])

        self.project_url = project.id.apply(lambda _: f"https://gitlab.{args.platform.domain}/{self._path}")
        self.service_url = f"http://{self._namespace}.{base_domain}"
        self.clone_https = project.http_url_to_repo
        self.clone_ssh = project.ssh_url_to_repo
        self.runner_token = pulumi.Output.secret(runner.token)
        self.addresses = {
            "url": self.project_url,
            "serviceUrl": self.service_url,
            "cloneHttps": self.clone_https,
            "cloneSsh": self.clone_ssh,
            "branch": args.branch,
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
        return pulumi.ResourceOptions(parent=self, provider=self._platform.gitlab_provider)

    def _variable(self, project: gitlab.Project, key: str, variable: _Variable) -> gitlab.ProjectVariable:
        return gitlab.ProjectVariable(
            f"{self._name}-variable-{key}",
            project=project.id,
            key=key,
            value=variable.value,
            variable_type="file" if variable.file else "env_var",
            masked=variable.masked,
            protected=variable.protected,
            # A dollar is a dollar.
            raw=True,
            opts=self._in_gitlab(),
        )

    def _logins(self, project: gitlab.Project) -> dict[str, _Variable]:
        """The logins that a pipeline needs: to the registry, and for the cluster to GitLab's own."""
        variables = {}
        if self._args.pipeline == "auto":
            # Without it Auto DevOps gives the cluster the job's own token, which ends with the job: a pod that moves to
            # another node later could not be pulled any more.
            pull = gitlab.ProjectDeployToken(
                f"{self._name}-pull",
                project=project.id,
                name="cluster",
                scopes=["read_registry"],
                opts=self._in_gitlab(),
            )
            variables["CI_DEPLOY_USER"] = _Variable(pull.username, protected=True)
            variables["CI_DEPLOY_PASSWORD"] = _Variable(pulumi.Output.secret(pull.token), masked=True, protected=True)
        login = self._platform.login
        if login:
            # The name that GitLab Runner looks for to pull jobs' images with.
            variables["DOCKER_AUTH_CONFIG"] = _Variable(self._docker_config(login), masked=True)
            variables["PULL_SECRET"] = _Variable(access.PULL_SECRET)
        return variables

    def _docker_config(self, login: Login) -> pulumi.Output[str]:
        text: pulumi.Output[str] = pulumi.Output.secret(
            access.docker_config(self._registry, login.username, login.password)
        )
        return text

    def _cluster(self, project: gitlab.Project) -> tuple[dict[str, _Variable], list[pulumi.Resource]]:
        """The namespace and its account: the variables that lead there, and all that must be there to use them.

        The variables are protected: only pipelines of protected branches deploy.
        """
        name, namespace = self._name, {"namespace": self._namespace}
        provider = self._platform.kubernetes_provider
        # The account may make pods. One with the node's disk, network or privileges would be root of the cluster.
        metadata = {"name": self._namespace, "labels": {"pod-security.kubernetes.io/enforce": "baseline"}}
        made = ClusterObject("core/v1", "Namespace", f"{name}-namespace", {"metadata": metadata}, self, provider, [])

        def inside(version: str, kind: str, role: str, called: str, content: Mapping[str, Any]) -> ClusterObject:
            metadata = {"name": called, **namespace, **content.get("metadata", {})}
            return ClusterObject(
                version, kind, f"{name}-{role}", {**content, "metadata": metadata}, self, provider, [made]
            )

        account = inside("core/v1", "ServiceAccount", "account", access.ACCOUNT, {})
        rbac = "rbac.authorization.k8s.io"
        rules = [*access.RULES, *access.AGENT_RULES] if self._platform.agent else access.RULES
        role = inside(f"{rbac}/v1", "Role", "role", access.ACCOUNT, {"rules": rules})
        binding = inside(
            f"{rbac}/v1",
            "RoleBinding",
            "binding",
            access.ACCOUNT,
            {
                "roleRef": {"apiGroup": rbac, "kind": "Role", "name": access.ACCOUNT},
                "subjects": [{"kind": "ServiceAccount", "name": access.ACCOUNT, **namespace}],
            },
        )
        needed: list[pulumi.Resource] = [role, binding]
        login = self._platform.login
        if login:
            content = {
                "type": "kubernetes.io/dockerconfigjson",
                "stringData": {".dockerconfigjson": self._docker_config(login)},
            }
            needed.append(inside("core/v1", "Secret", "pull-secret", access.PULL_SECRET, content))
        if self._platform.agent:
            agent = ProjectAgent(
                f"{name}-agent",
                ProjectAgentArgs(
                    shared=self._platform.agent,
                    domain=self._platform.domain,
                    project=project,
                    path=self._path,
                    namespace=self._namespace,
                    account=access.ACCOUNT,
                    gitlab_provider=self._platform.gitlab_provider,
                    kubernetes_provider=provider,
                    ready=[account, binding, *self._platform.ready],
                ),
                pulumi.ResourceOptions(parent=self),
            )
            return {"KUBE_CONTEXT": _Variable(agent.context, protected=True)}, [*needed, agent.release]
        kubeconfig = self._kubeconfig(account)
        return {"KUBECONFIG": _Variable(kubeconfig, protected=True, file=True)}, needed

    def _kubeconfig(self, account: ClusterObject) -> pulumi.Output[str]:
        """A kubeconfig with a token of the account's that has no end."""
        token = ClusterObject(
            "core/v1",
            "Secret",
            f"{self._name}-token",
            {
                "type": "kubernetes.io/service-account-token",
                "metadata": {
                    "name": access.TOKEN,
                    "namespace": self._namespace,
                    "annotations": {"kubernetes.io/service-account.name": access.ACCOUNT},
                },
            },
            self,
            self._platform.kubernetes_provider,
            [account],
        )
        data: pulumi.Output[dict[str, str]] = pulumi.Output.secret(token.data)
        return data.apply(
            lambda data: access.kubeconfig(
                self._platform.kubernetes_endpoint, data["ca.crt"], data["token"], self._namespace
            )
        )

    def _first_commit(self, source: Path, project: gitlab.Project, *, after: Sequence[pulumi.Resource]) -> None:
        files, unusable = first_commit.read_source(source)
        if not unusable and self._args.pipeline == "custom" and not any(path.startswith("chart/") for path in files):
            # What its pipeline deploys with. From here on it is the project's own, to be changed as it needs.
            files |= first_commit.read(CHART, under="chart/")
        token: pulumi.Output[str] = pulumi.Output.secret(self._platform.gitlab_token)
        host = self._platform.gitlab_host
        host.run(
            f"{self._name}-first-commit",
            Script(SCRIPTS / "first-commit.sh", SCRIPTS / "keep-commits.sh"),
            parent=self,
            variables={
                "GITLAB": f"gitlab.{self._platform.domain}",
                "ADDRESS": f"[{host.address}]" if ":" in host.address else host.address,
                "PROJECT": self._path,
            },
            files={
                "commit.json": first_commit.request(self._args.branch, files),
                "curl.conf": token.apply(access.curl_header),
                **unusable,
            },
            depends_on=[*after, *self._platform.ready],
            # Never again for this project: what people push stays, and a change of the directory is none here.
            once_for=project.id,
        )
