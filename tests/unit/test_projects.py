"""Projects, their runner and the images of their jobs: what is registered, and the files that are made."""

from __future__ import annotations

import base64
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import jsonschema  # type: ignore[import-untyped]
import pulumi
import pulumi_docker as docker
import pulumi_gitlab as gitlab
import pulumi_kubernetes as kubernetes
import pytest
import yaml
from syrupy.assertion import SnapshotAssertion

from components.auto_devops_project import (
    AutoDevOpsProject,
    AutoDevOpsProjectArgs,
    Delivery,
    ProjectGroup,
    ProjectGroupArgs,
    access,
    first_commit,
)
from components.ca import CA, CaArgs
from components.ci_images import CiImages, CiImagesArgs
from components.ci_images.ci_images import dockerfile, tag
from components.dns import NameService
from components.gitlab_runner import GitLabRunner, GitLabRunnerArgs, RunnerToken
from components.gitlab_runner.gitlab_runner import SCRIPTS as RUNNER_SCRIPTS
from components.gitlab_runner.gitlab_runner import configuration
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
from tests.unit.conftest import ROOT, Run, good_settings, run_with, unpacked
from tests.unit.recording import Recorder, contains_secret, plain
from tests.unit.scripts import Machine

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
    **changes: Any,
) -> Recorder:
    """What projects (name to pipeline), their images and the runner register; with `agent`, by GitLab's agents."""
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
        settings = ci(clusterLink="agent" if agent else "kubeconfig")
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


@pytest.fixture(scope="module")
def custom() -> Recorder:
    """One project with a pipeline of its own."""
    return registered()


@pytest.fixture(scope="module")
def auto() -> Recorder:
    """One project with Auto DevOps."""
    return registered({"hello": "auto"})


@pytest.fixture(scope="module")
def by_agent() -> Recorder:
    """One project whose pipeline reaches the cluster through GitLab's agent."""
    return registered(agent=True)


def variables(recorder: Recorder) -> dict[str, dict[str, Any]]:
    return {plain(v.inputs["key"]): v.inputs for v in recorder.of_type(VARIABLE)}


def committed(recorder: Recorder) -> dict[str, str]:
    """The files of the first commit."""
    request = json.loads(unpacked(recorder.one("project-hello-first-commit"))["files/commit.json"])
    return {a["file_path"]: base64.b64decode(a["content"]).decode() for a in request["actions"]}


# The project in GitLab


def test_project_is_private_and_its_pipelines_come_from_the_repository(custom: Recorder) -> None:
    project = custom.one("project-hello-project").inputs
    assert project["visibilityLevel"] == "private"
    assert project["autoDevopsEnabled"] is False
    assert project["initializeWithReadme"] is False
    assert project["permanentlyDeleteOnDestroy"] is True
    # GitLab answers 400 to a default branch of an empty repository.
    assert "defaultBranch" not in project
    group = custom.one("group-team-group")
    assert f"{project['namespaceId']:.0f}" == str(recording.number("group-team-group"))
    assert group.inputs["visibilityLevel"] == "private"
    # GitLab answers 400 to that for a group that is in no other.
    assert "permanentlyRemoveOnDelete" not in group.inputs


def test_default_branch_is_protected_before_the_first_commit(custom: Recorder) -> None:
    protection = custom.one("project-hello-branch").inputs
    assert (protection["branch"], protection["allowForcePush"]) == ("main", False)
    assert "project-hello-branch" in custom.one("project-hello-first-commit").dependencies


def test_runner_belongs_to_the_project_and_its_token_is_secret(custom: Recorder) -> None:
    runner = custom.one("project-hello-runner").inputs
    assert runner["runnerType"] == "project_type"
    assert f"{runner['projectId']:.0f}" == str(recording.number("project-hello-project"))
    outputs = custom.one("project-hello").outputs
    assert outputs and contains_secret(outputs["runner_token"])


def test_urls(custom: Recorder) -> None:
    outputs = plain(custom.one("project-hello").outputs)
    assert outputs["project_url"] == "https://gitlab.devops.example.com/team/hello"
    assert outputs["service_url"] == "http://team-hello.k8s.devops.example.com"


def test_variables_of_a_custom_pipeline(custom: Recorder) -> None:
    found = variables(custom)
    assert set(found) == {
        "GOPROXY",
        "IMAGE_DOCKER",
        "IMAGE_GO",
        "IMAGE_KUBERNETES",
        "IMAGE_RUNTIME",
        "KUBECONFIG",
        "KUBE_INGRESS_BASE_DOMAIN",
        "KUBE_NAMESPACE",
        "REGISTRY",
    }
    assert found["KUBE_NAMESPACE"]["value"] == "team-hello"
    assert found["KUBE_INGRESS_BASE_DOMAIN"]["value"] == "k8s.devops.example.com"
    assert all(v["raw"] is True for v in found.values()), "a dollar in a value must stay one"


def test_variables_of_auto_devops(auto: Recorder) -> None:
    """The cluster pulls with a token of its own, as the job's ends with the job."""
    found = variables(auto)
    assert {"IMAGE_AUTO_BUILD", "IMAGE_AUTO_DEPLOY", "IMAGE_GO", "CI_DEPLOY_USER", "CI_DEPLOY_PASSWORD"} <= set(found)
    password = found["CI_DEPLOY_PASSWORD"]
    assert contains_secret(password["value"]) and password["masked"] and password["protected"]
    assert plain(password["value"]) == "TOKEN-project-hello-pull"
    assert auto.one("project-hello-pull").inputs["scopes"] == ["read_registry"]


def test_kubeconfig_is_a_protected_file(custom: Recorder) -> None:
    variable = variables(custom)["KUBECONFIG"]
    assert (variable["variableType"], variable["protected"]) == ("file", True)
    assert contains_secret(variable["value"])
    user = yaml.safe_load(plain(variable["value"]))["users"][0]["user"]
    assert user == {"token": "token of project-hello-token"}
    # The cluster makes it, so that no input says it is secret.
    assert custom.one("project-hello-token").secret_outputs == ["data", "stringData"]


def test_first_commit_waits_for_all_that_its_pipeline_needs(custom: Recorder) -> None:
    dependencies = custom.one("project-hello-first-commit").dependencies
    for needed in [*(v.name for v in custom.of_type(VARIABLE)), "project-hello-runner", "project-hello-binding"]:
        assert needed in dependencies, needed
    for variable in custom.of_type(VARIABLE):
        if plain(variable.inputs["key"]) == "IMAGE_GO":
            assert "ci-images-go" in variable.dependencies, "a variable must not name an image that is not there yet"


def test_first_commit_happens_once(custom: Recorder) -> None:
    """Neither the directory's changes nor a new token ever touch what people push."""
    commit = custom.one("project-hello-first-commit", COMMAND)
    assert commit.ignore_changes == ["create", "stdin"]
    assert commit.inputs["update"] == "cat >/dev/null"
    assert commit.replacement_trigger == str(recording.number("project-hello-project"))


def test_token_is_in_a_file_and_on_no_command_line(custom: Recorder) -> None:
    commit = custom.one("project-hello-first-commit", COMMAND)
    assert unpacked(commit)["files/curl.conf"] == 'header = "PRIVATE-TOKEN: glpat-root"\n'
    assert contains_secret(commit.inputs["stdin"])
    assert "glpat-root" not in json.dumps([commit.inputs[key] for key in ("create", "delete")])


@pytest.mark.parametrize("pipeline", ["auto", "custom"])
def test_first_commit_is_the_directory(pipeline: Kind) -> None:
    """And for a custom pipeline the chart; Auto DevOps would take a chart/ for its own."""
    files = committed(registered({"hello": pipeline}))
    source = SERVICES / f"hello-{pipeline}"
    for path in (".gitlab-ci.yml", "main.go", "go.sum", "Dockerfile", ".dockerignore"):
        assert files[path] == (source / path).read_text()
    chart = ROOT / "charts" / "microservice" / "Chart.yaml"
    assert files.get("chart/Chart.yaml") == (chart.read_text() if pipeline == "custom" else None)


def test_own_chart_is_kept(tmp_path: Path) -> None:
    (tmp_path / "chart").mkdir()
    (tmp_path / "chart" / "Chart.yaml").write_text("mine")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("not to be committed")
    assert committed(registered(source=str(tmp_path))) == {"chart/Chart.yaml": "mine"}


def test_without_a_source_the_repository_stays_empty() -> None:
    recorder = registered(source=None)
    assert not [r.name for r in recorder.everything if "first-commit" in r.name]


def test_commit_request(snapshot: SnapshotAssertion) -> None:
    files = {"run.sh": (b"#!/bin/sh\n", True), "binary": (b"\x00\xff", False)}
    assert first_commit.request("main", files) == snapshot


def test_further_variables_of_the_user() -> None:
    recorder = registered(variables={"GOPROXY": "off", "PRICE": "5$"}, secrets={"API_KEY": "correct-horse"})
    found = variables(recorder)
    assert found["GOPROXY"]["value"] == "off", "the user's own word counts more than the platform's"
    assert found["PRICE"]["value"] == "5$"
    assert found["API_KEY"]["masked"] is True
    assert contains_secret(found["API_KEY"]["value"])


def test_registry_login_reaches_jobs_and_cluster() -> None:
    recorder = registered(login=login("ci", "correct horse"))
    variable = variables(recorder)["DOCKER_AUTH_CONFIG"]
    assert variable["masked"] and contains_secret(variable["value"])
    assert " " not in plain(variable["value"]), "GitLab masks no value with a space"
    entry = json.loads(plain(variable["value"]))["auths"]["registry.devops.example.com"]
    assert base64.b64decode(entry["auth"]).decode() == "ci:correct horse"
    secret = recorder.one("project-hello-pull-secret").inputs
    assert secret["type"] == "kubernetes.io/dockerconfigjson"
    assert contains_secret(secret["stringData"])
    assert "project-hello-pull-secret" in recorder.one("project-hello-first-commit").dependencies
    assert variables(recorder)["PULL_SECRET"]["value"] == "registry"


# The namespace


def test_account_may_do_what_a_deployment_needs_in_its_namespace_alone(custom: Recorder) -> None:
    namespace = custom.one("project-hello-namespace").inputs["metadata"]
    # Who may make pods that mount the node's disk is root of the cluster.
    labels = {"pod-security.kubernetes.io/enforce": "baseline"}
    assert namespace == {"name": "team-hello", "labels": labels}
    for name, kind in {
        "account": "ServiceAccount",
        "role": "Role",
        "binding": "RoleBinding",
        "token": "Secret",
    }.items():
        resource = custom.one(f"project-hello-{name}").inputs
        assert (resource["kind"], resource["metadata"]["namespace"]) == (kind, "team-hello")
    assert not [r.name for r in custom.everything if ":Cluster" in r.type], "nothing beyond the namespace"


def test_account_can_give_itself_nothing() -> None:
    for rule in access.RULES:
        assert "*" not in json.dumps(rule)
        assert not {"roles", "rolebindings", "pods/exec", "pods/attach", "serviceaccounts/token"} & {*rule["resources"]}
        assert not {"escalate", "bind", "impersonate"} & {*rule["verbs"]}


def test_kubeconfig(snapshot: SnapshotAssertion) -> None:
    token = base64.b64encode(b"ey.token").decode()
    assert access.kubeconfig("https://192.168.80.96:6443", "Q0E=", token, "team-hello") == snapshot


# The runner


def test_runner_configuration(snapshot: SnapshotAssertion) -> None:
    images = {"runtime": "docker.io/library/debian:bookworm-slim", "helper": "mirror.corp:5000/helper:1"}
    text = configuration(
        NAMES,
        ci(images=images),
        Downloads(MirrorSettings.model_validate({}), None, []),
        {"team-b": "glrt-b", "team-a": "glrt-a"},
        "192.168.80.110",
    )
    assert text == snapshot
    assert [runner["token"] for runner in tomllib.loads(text)["runners"]] == ["glrt-a", "glrt-b"]


def test_runner_without_projects_is_valid() -> None:
    recorder = registered({})
    text = unpacked(recorder.one("runner-configuration"))["files/config.toml"]
    assert "runners" not in tomllib.loads(text)
    assert recorder.one("runner-container", "docker:index/container:Container")


def test_jobs_use_the_shared_engine_by_mutual_tls(custom: Recorder) -> None:
    files = unpacked(custom.one("runner-configuration", COMMAND))
    runner = tomllib.loads(files["files/config.toml"])["runners"][0]
    assert runner["token"] == "TOKEN-project-hello-runner"
    assert "DOCKER_HOST=tcp://docker.devops.example.com:2376" in runner["environment"]
    assert "DOCKER_TLS_VERIFY=1" in runner["environment"]
    assert runner["docker"]["privileged"] is False
    assert "/srv/gitlab-runner/docker:/certs/client:ro" in runner["docker"]["volumes"]
    assert files["files/key.pem"] == "KEY runner-client-key\n"
    assert contains_secret(custom.one("runner-configuration", COMMAND).inputs["stdin"])
    assert custom.one("runner-client-certificate").inputs["caCertPem"] == "CERT ca-clients-root\n"


def test_another_project_changes_the_configuration_and_not_the_container() -> None:
    one, two = registered({"hello": "custom"}), registered({"hello": "custom", "bye": "auto"})
    kind = "docker:index/container:Container"
    assert one.one("runner-container", kind).inputs == two.one("runner-container", kind).inputs
    assert "TOKEN-project-bye-runner" in unpacked(two.one("runner-configuration"))["files/config.toml"]
    assert "TOKEN" not in json.dumps(plain(two.one("runner-container", kind).inputs))


def test_projects_do_not_share_a_cache() -> None:
    recorder = registered({"hello": "custom", "bye": "auto"})
    runners = tomllib.loads(unpacked(recorder.one("runner-configuration"))["files/config.toml"])["runners"]
    caches = [volume for runner in runners for volume in runner["docker"]["volumes"] if volume.endswith(":/cache")]
    assert len(set(caches)) == 2


def test_volumes_of_projects_that_are_gone_go(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "machine")
    script = machine.root / "configure.sh"
    script.write_text(
        (RUNNER_SCRIPTS / "configure.sh").read_text().replace("/srv/gitlab-runner", f"{machine.root}/srv")
    )
    # As the real runner shortens tokens: the prefix off, nine characters, of which the outer two are letters or digits.
    tokens = {"one": "glrt-t3_abcdefghijkl", "two": "glrt--bcdefgh_jkl"}
    files = dict.fromkeys(("ca.crt", "ca.pem", "cert.pem", "key.pem"), "")
    config = configuration(NAMES, ci(), Downloads(MIRRORS, None, []), tokens, name_server="")
    machine.files({**files, "config.toml": config, "volumes": "auto-devops-cache-one\nauto-devops-cache-two\n"})
    # What an earlier run configured; a runner of somebody else's on the same engine is none of those.
    (machine.root / "srv").mkdir()
    (machine.root / "srv/config.toml").write_text('  token = "glrt-gonegonegone"\n')
    machine.fake(
        "docker",
        """case "$*" in
        *"name=auto-devops-cache-"*) printf '%s\\n' auto-devops-cache-one auto-devops-cache-gone x-auto-devops-cache- ;;
        *"label=com.gitlab"*) printf '%s runner-%s\\n' abcdefghi one r-bcdefgh two gonegoneg gone somebody1 theirs ;;
        esac""",
    )
    done = machine.run(script)
    assert done.returncode == 0, done.stderr
    removed = [call for call in machine.calls if call.startswith("docker volume rm")]
    assert removed == ["docker volume rm auto-devops-cache-gone", "docker volume rm runner-gone"]
    assert (machine.root / "state/runners").read_text().split() == ["abcdefghi", "gonegoneg", "r-bcdefgh"]

    remove = machine.root / "remove.sh"
    text = (RUNNER_SCRIPTS / "remove.sh").read_text()
    remove.write_text(text.replace("/srv/gitlab-runner", f"{machine.root}/srv"))
    before = len(machine.calls)
    done = machine.run(remove)
    assert done.returncode == 0, done.stderr
    removed = [call for call in machine.calls[before:] if call.partition(" rm ")[1]]
    ours = "runner-one runner-two runner-gone"
    assert removed == [
        f"docker rm --force --volumes {ours}",
        f"docker volume rm {ours}",
        f"docker network rm {ours}",
        "docker volume rm auto-devops-cache-one auto-devops-cache-gone",
    ]
    assert not (machine.root / "state/runners").exists()


# The whole program


@pytest.fixture(scope="module")
def stack(keys: Path) -> Recorder:
    """What the program registers with two projects."""
    projects = [
        {"group": "team", "name": "hello", "pipeline": "custom", "source": str(SERVICES / "hello-custom")},
        {"group": "team", "name": "auto", "pipeline": "auto"},
    ]
    return run_with(good_settings(keys) | {"projects": projects, "ci": {"goProxy": "https://mirror.corp/go"}})


def test_program_makes_each_group_once(stack: Recorder) -> None:
    assert [r.name for r in stack.of_type("gitlab:index/group:Group")] == ["group-team-group"]
    assert [r.name for r in stack.of_type("auto-devops:index:AutoDevOpsProject")] == [
        "project-team-auto",
        "project-team-hello",
    ]


def test_program_registers_both_with_the_runner(stack: Recorder) -> None:
    files = unpacked(stack.one("gitlab-runner-configuration", COMMAND))
    names = [runner["name"] for runner in tomllib.loads(files["files/config.toml"])["runners"]]
    assert names == ["team-auto", "team-hello"]
    container = stack.one("gitlab-runner-container", "docker:index/container:Container")
    assert container.provider == "gitlab-server-engine"


def test_images_wait_for_the_registry_and_its_name(stack: Recorder) -> None:
    dependencies = stack.one("ci-images-go", COMMAND).dependencies
    assert {"registry-host-verify", "dns-resolver-registry"} <= set(dependencies)


def test_gitlab_and_cluster_do_not_wait_for_the_images(stack: Recorder) -> None:
    for name in ("gitlab-server-ready", "k8s-node-ready"):
        assert not [d for d in stack.one(name, COMMAND).dependencies if d.startswith("ci-images")]


def test_mirrors_ca_is_in_the_images_too(run_program: Run, good: dict[str, Any], mirror_ca: Path) -> None:
    """Jobs download Go modules from there."""
    good["mirrors"] = {"caCertificateFile": str(mirror_ca), "images": {"docker.io": "mirror.corp:5000"}}
    good["projects"] = [{"group": "team", "name": "hello", "pipeline": "custom"}]
    files = unpacked(run_program(good).one("ci-images-go", COMMAND))
    assert files["files/mirrors.crt"] == mirror_ca.read_text()
    assert "FROM mirror.corp:5000/library/golang:" in files["files/Dockerfile"]


def test_without_projects_there_is_a_runner_and_no_images(run_program: Run, good: dict[str, Any]) -> None:
    recorder = run_program(good)
    assert recorder.one("gitlab-runner-container", "docker:index/container:Container")
    assert not [r.name for r in recorder.everything if r.name.startswith(("ci-images", "project-", "group-"))]


# The images of jobs


def test_dockerfile(snapshot: SnapshotAssertion) -> None:
    assert dockerfile("mirror.corp:5000/library/golang:1.26-bookworm") == snapshot


def test_tag_follows_base_ca_and_recipe() -> None:
    files = {"Dockerfile": dockerfile("a:1"), "trust.sh": "x", "platform.crt": "CA"}
    assert tag(files) == tag(dict(reversed(files.items())))
    changes = {"Dockerfile": dockerfile("a:2"), "trust.sh": "y", "platform.crt": "another", "mirrors.crt": "more"}
    tags = {tag(files | {name: text}) for name, text in changes.items()}
    assert len(tags | {tag(files)}) == 5


def test_images_are_built_with_the_ca_and_named_by_their_content(custom: Recorder) -> None:
    command = custom.one("ci-images-go", COMMAND)
    files = unpacked(command)
    assert files["files/platform.crt"] == "CERT ca-root\n"
    assert "FROM mirror.corp:5000/go:1\n" in files["files/Dockerfile"]
    reference = plain(variables(custom)["IMAGE_GO"]["value"])
    assert reference.startswith("registry.devops.example.com/auto-devops/go:")
    assert f"REFERENCE={reference}" in command.inputs["create"]


def test_only_the_images_that_pipelines_need_are_built(custom: Recorder, auto: Recorder) -> None:
    def built(recorder: Recorder) -> set[str]:
        return {r.name.removeprefix("ci-images-") for r in recorder.of_type(COMMAND) if r.name.startswith("ci-images-")}

    assert built(custom) == {"docker", "go", "kubernetes"}
    assert built(auto) == {"autoBuild", "autoDeploy", "go"}


def test_registry_password_is_in_a_file() -> None:
    recorder = registered(login=login("ci", "correct horse"))
    command = recorder.one("ci-images-go", COMMAND)
    assert unpacked(command)["files/password"] == "correct horse"
    assert contains_secret(command.inputs["stdin"])
    assert "correct horse" not in command.inputs["create"]


# GitLab's agent


def test_with_an_agent_no_token_of_the_cluster_is_in_gitlab(by_agent: Recorder, custom: Recorder) -> None:
    made = variables(by_agent)
    assert "KUBECONFIG" not in made and "KUBE_CONTEXT" not in variables(custom)
    assert made["KUBE_CONTEXT"]["value"] == "team/hello:cluster"
    assert made["KUBE_CONTEXT"]["protected"] is True
    # Nor is there one that has no end: the agent's pod gets one of an hour.
    kinds = {plain(secret.inputs.get("type")) for secret in by_agent.of_type("kubernetes:core/v1:Secret")}
    assert kinds == {"Opaque"}
    assert not [r for r in custom.everything if "luster" in r.type and r.type.startswith("gitlab:")]


def test_an_agent_belongs_to_the_project(by_agent: Recorder) -> None:
    project = str(recording.number("project-hello-project"))
    agent, token = by_agent.one("project-hello-agent-agent"), by_agent.one("project-hello-agent-token")
    assert (agent.parent, agent.inputs["project"]) == ("project-hello-agent", project)
    assert (token.inputs["project"], token.inputs["agentId"]) == (project, recording.number(agent.name))
    assert by_agent.one("project-hello-agent").parent == "project-hello"
    assert by_agent.one("project-hello-agent").outputs == {"context": "team/hello:cluster"}


def test_an_agents_token_is_a_secret_of_the_namespace_alone(by_agent: Recorder) -> None:
    value = "TOKEN-project-hello-agent-token"
    holders = [r.name for r in by_agent.everything if value in str(r.inputs)]
    assert holders == ["project-hello-agent-secret"]
    secret = by_agent.one("project-hello-agent-secret")
    assert isinstance(secret.inputs["stringData"]["token"], recording.Secret) or contains_secret(secret.inputs)
    assert plain(secret.inputs["metadata"]) == {"name": "gitlab-agent-token", "namespace": "team-hello"}


def test_an_agent_may_do_what_the_account_may(by_agent: Recorder) -> None:
    release = by_agent.one("project-hello-agent-release").inputs
    assert (release["chart"], release["version"], release["name"], release["namespace"]) == (
        "gitlab-agent",
        "2.32.0",
        "gitlab-agent",
        "team-hello",
    )
    assert release["repositoryOpts"] == {"repo": "https://mirror.corp/gitlab-charts", "caFile": "/ca/corp.crt"}
    values = release["values"]
    # The chart's default is the whole cluster's administrator.
    assert values["rbac"] == {"create": False}
    assert values["serviceAccount"] == {"create": False, "name": access.ACCOUNT}
    assert values["config"] == {
        "kasAddress": "wss://gitlab.devops.example.com/-/kubernetes-agent/",
        "kasCaCert": "CERT ca-root\n",
        "secretName": "gitlab-agent-token",
        "operational_container_scanning": {"enabled": False},
    }
    assert values["image"] == {
        "repository": "registry.gitlab.com/gitlab-org/cluster-integration/gitlab-agent/agentk",
        "tag": "v19.4.0",
    }
    rules = by_agent.one("project-hello-role").inputs["rules"]
    assert rules == [*access.RULES, *access.AGENT_RULES]
    assert {kind for rule in access.AGENT_RULES for kind in rule["resources"]} == {"leases", "events"}


def test_the_first_pipeline_begins_when_the_agent_is_there(by_agent: Recorder) -> None:
    assert "project-hello-agent-release" in by_agent.one("project-hello-first-commit").dependencies
    needs = by_agent.one("project-hello-agent-release").dependencies
    assert {"project-hello-agent-secret", "project-hello-binding", "project-hello-account"} <= set(needs)


def test_the_agents_own_values_are_the_charts(by_agent: Recorder) -> None:
    """By the schema of the lab's chart, whose names are GitLab's."""
    schema = json.loads((ROOT / "standins/gitlab/charts/gitlab-agent/values.schema.json").read_text())
    values = plain(by_agent.one("project-hello-agent-release").inputs["values"])
    jsonschema.validate(values, schema)
