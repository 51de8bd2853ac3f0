"""Projects with their runner and the images of their jobs, registered without the rest of the program."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pulumi
import pulumi_docker as docker
import pulumi_gitlab as gitlab
import pulumi_kubernetes as kubernetes

from components.auto_devops_project import (
    AutoDevOpsProject,
    AutoDevOpsProjectArgs,
    Delivery,
    ProjectGroup,
    ProjectGroupArgs,
)
from components.ca import CA, CaArgs
from components.ci_images import CiImages, CiImagesArgs
from components.dns import NameService
from components.gitlab_runner import GitLabRunner, GitLabRunnerArgs, RunnerToken
from components.gitlab_server import GitLabAccess
from components.host import Host, HostArgs
from components.k8s_node import ClusterAccess
from components.site import Site
from names import Names
from settings.ca import CaSettings
from settings.ci import CiSettings
from settings.machines import Machine as MachineSettings
from settings.mirrors import Downloads, MirrorSettings
from settings.projects import ProjectSettings
from settings.registry import LoginSettings
from tests.unit import recording
from tests.unit.program import ROOT, unpacked
from tests.unit.recording import Recorder, plain

COMMAND = "command:remote:Command"
VARIABLE = "gitlab:index/projectVariable:ProjectVariable"
SERVICES = ROOT / "services"
Kind = Literal["auto", "custom"]


MIRRORS = MirrorSettings.model_validate(
    {
        "images": {"docker.io": "mirror.corp:5000"},
        "gitlabCharts": "https://mirror.corp/gitlab-charts",
        "caCertificateFile": "/ca/corp.crt",
    }
)
NAMES = Names("devops.example.com")


def ci(**changes: Any) -> CiSettings:
    images = {"go": "docker.io/go:1", "docker": "docker.io/docker:1"}
    return CiSettings.model_validate({"goProxy": "https://mirror.corp/go", "images": images} | changes)


def login(username: str, password: str) -> LoginSettings:
    return LoginSettings.model_validate({"username": username, "password": password})


def registered(
    projects: Mapping[str, Kind] | None = None,
    login: LoginSettings | None = None,
    agent: bool = False,
    tags: Sequence[str] = (),
    **changes: Any,
) -> Recorder:
    """What projects (name to pipeline), their images and the runner register; with `agent`, by GitLab's agents.

    `tags` are the runner's.
    """
    recorder = recording.start()

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def program() -> None:
        machine = MachineSettings("gitlab", "192.168.80.113", "ops", 22, "K", None, "H")
        host = Host("gitlab", HostArgs(machine, repair=""))
        ca = CA("ca", CaArgs(NAMES.domain, CaSettings.model_validate({})))
        trusted = ca.trust(host)
        site = Site(NAMES, ca, Downloads(MIRRORS, None, []))
        token: pulumi.Output[str] = pulumi.Output.secret("glpat-root")
        provider = gitlab.Provider("in-gitlab", base_url="https://192.168.80.113/api/v4/", token=token)
        engine = docker.Provider("engine", host="tcp://192.168.80.113:2376")
        in_gitlab = GitLabAccess(trusted, engine, provider, token)
        in_cluster = kubernetes.Provider("cluster", kubeconfig="{}")
        cluster = ClusterAccess(in_cluster, "https://192.168.80.96:6443", ready=in_cluster)
        dns = NameService(address="192.168.80.110")
        kinds: Mapping[str, Kind] = {"hello": "custom"} if projects is None else projects
        settings = ci(clusterLink="agent" if agent else "kubeconfig", tags=[*tags])
        images = CiImages("ci-images", CiImagesArgs(site, trusted, settings, {*kinds.values()}, login, after=[]))
        delivery = Delivery(site, in_gitlab, cluster, images.references, settings, login, dns)
        group = ProjectGroup("group-team", ProjectGroupArgs("team", provider))
        tokens = []
        for name, kind in kinds.items():
            section = {"group": "team", "name": name, "pipeline": kind, "source": str(SERVICES / f"hello-{kind}")}
            wanted = ProjectSettings.model_validate(section | changes)
            project = AutoDevOpsProject(f"project-{name}", AutoDevOpsProjectArgs(delivery, group, wanted))
            tokens.append(RunnerToken(f"team-{name}", project.runner_token))
        GitLabRunner("runner", GitLabRunnerArgs(site, in_gitlab, settings, tokens, dns))

    program()
    return recorder


def variables(recorder: Recorder) -> dict[str, dict[str, Any]]:
    return {plain(v.inputs["key"]): v.inputs for v in recorder.of_type(VARIABLE)}


def committed(recorder: Recorder) -> dict[str, str]:
    """The files of the first commit."""
    request = json.loads(unpacked(recorder.one("project-hello-first-commit"))["files/commit.json"])
    return {a["file_path"]: base64.b64decode(a["content"]).decode() for a in request["actions"]}
