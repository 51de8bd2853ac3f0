"""Pipelines: from a push to the jobs that a runner gets, and what comes of their results."""

from __future__ import annotations

import gzip
import io
import time
import zipfile
from typing import Any

import gitlab
import pytest
import requests

from tests.standins.gitlab.conftest import TOKEN
from tests.standins.gitlab.installation import Installation, Runner, variables

THREE_STAGES = """
stages: [test, build, deploy]
default:
  before_script: [echo before]
variables:
  GREETING: hello
test:
  stage: test
  image: golang:1.26
  script: [go test ./...]
build:
  stage: build
  image: {name: "docker:28-cli", entrypoint: [""]}
  services: [{name: "redis:7", alias: cache, entrypoint: ["env", "-u", "DOCKER_HOST"], command: ["redis-server"]}]
  tags: [docker]
  script: ["docker build -t $CI_REGISTRY_IMAGE ."]
  after_script: [echo after]
  artifacts: {paths: [out/], expire_in: 1 day}
  rules:
    - if: $CI_COMMIT_BRANCH == "main"
      variables: {CHANNEL: stable}
    - if: $CI_COMMIT_BRANCH
      variables: {CHANNEL: $CI_COMMIT_REF_SLUG}
deploy:
  stage: deploy
  script: [helm upgrade]
  environment: {name: production, url: "http://$CI_PROJECT_PATH_SLUG.example.com"}
  rules: [{if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH}]
"""


def push(project: Any, text: str, branch: str = "main", message: str = "change", **files: str) -> str:
    """Commit a configuration; returns the commit."""
    there = {entry["path"] for entry in project.repository_tree(get_all=True)} if project.branches.list() else set()
    actions = [
        {"action": "update" if path in there else "create", "file_path": path, "content": content}
        for path, content in {".gitlab-ci.yml": text, **files}.items()
    ]
    start = {} if branch == "main" else {"start_branch": "main"}
    sha = project.commits.create({"branch": branch, "commit_message": message, "actions": actions, **start}).id
    return str(sha)


def pipeline_of(project: Any, sha: str, seconds: float = 20) -> Any:
    """The pipeline of a commit, once it has been made."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = project.pipelines.list(sha=sha)
        if found and (found[0].status != "created" or found[0].jobs.list()):
            return project.pipelines.get(found[0].id)
        time.sleep(0.1)
    raise AssertionError(f"no pipeline of {sha}")


def states(project: Any, pipeline: Any) -> dict[str, str]:
    return {job.name: job.status for job in project.pipelines.get(pipeline.id).jobs.list()}


def taken(runner: Runner) -> dict[str, Any]:
    job = runner.take()
    assert job is not None
    return job


def test_a_push_runs_its_stages_in_order(installation: Installation, project: Any, runner: Runner) -> None:
    sha = push(project, THREE_STAGES)
    first = taken(runner)
    pipeline = pipeline_of(project, sha)
    assert (first["job_info"]["name"], first["job_info"]["stage"]) == ("test", "test")
    assert first["steps"][0]["script"] == ["echo before", "go test ./..."]
    assert first["image"]["name"] == "golang:1.26"
    assert states(project, pipeline) == {"test": "running", "build": "created", "deploy": "created"}
    assert project.pipelines.get(pipeline.id).status == "running"
    assert runner.take(0.5) is None
    assert runner.end(first).status_code == 200
    second = taken(runner)
    (service,) = second["services"]
    assert {key: service[key] for key in ("name", "alias", "entrypoint", "command")} == {
        "name": "redis:7",
        "alias": "cache",
        "entrypoint": ["env", "-u", "DOCKER_HOST"],
        "command": ["redis-server"],
    }
    assert second["image"] == second["image"] | {"name": "docker:28-cli", "entrypoint": [""]}
    assert [step["name"] for step in second["steps"]] == ["script", "after_script"]
    assert second["artifacts"][0]["paths"] == ["out/"]
    known = variables(second)
    assert known["CHANNEL"] == "stable"
    assert known["GREETING"] == "hello"
    runner.end(second)
    third = taken(runner)
    slug = project.path_with_namespace.replace("/", "-")
    assert variables(third)["CI_ENVIRONMENT_URL"] == f"http://{slug}.example.com"
    runner.end(third)
    assert project.pipelines.get(pipeline.id).status == "success"
    environment = project.environments.list()[0]
    assert (environment.name, environment.external_url) == ("production", f"http://{slug}.example.com")
    assert [deployment.status for deployment in project.deployments.list()] == ["success"]


def test_predefined_variables_are_gitlabs(installation: Installation, project: Any, runner: Runner) -> None:
    sha = push(project, "job: {script: [make]}", message="Title\n\nBody")
    job = taken(runner)
    known = variables(job)
    registry = f"localhost:{installation.registry_port}"
    assert known == known | {
        "CI": "true",
        "GITLAB_CI": "true",
        "CI_COMMIT_SHA": sha,
        "CI_COMMIT_SHORT_SHA": sha[:8],
        "CI_COMMIT_BRANCH": "main",
        "CI_COMMIT_REF_NAME": "main",
        "CI_COMMIT_REF_SLUG": "main",
        "CI_COMMIT_REF_PROTECTED": "true",
        "CI_COMMIT_TITLE": "Title",
        "CI_COMMIT_DESCRIPTION": "Body",
        "CI_DEFAULT_BRANCH": "main",
        "CI_PIPELINE_SOURCE": "push",
        "CI_PROJECT_PATH": project.path_with_namespace,
        "CI_PROJECT_PATH_SLUG": project.path_with_namespace.replace("/", "-"),
        "CI_PROJECT_ID": str(project.id),
        "CI_PROJECT_NAME": "hello",
        "CI_REGISTRY": registry,
        "CI_REGISTRY_IMAGE": f"{registry}/{project.path_with_namespace}",
        "CI_REGISTRY_USER": "gitlab-ci-token",
        "CI_REGISTRY_PASSWORD": job["token"],
        "CI_JOB_TOKEN": job["token"],
        "CI_API_V4_URL": f"{installation.url}/api/v4",
        "CI_SERVER_URL": installation.url,
        "CI_SERVER_HOST": "localhost",
        "CI_JOB_STAGE": "test",
    }
    assert "CI_COMMIT_TAG" not in known
    secret = {one["key"] for one in job["variables"] if not one["public"]}
    assert {"CI_JOB_TOKEN", "CI_REGISTRY_PASSWORD", "CI_REPOSITORY_URL"} <= secret
    assert job["credentials"] == [
        {"type": "registry", "url": registry, "username": "gitlab-ci-token", "password": job["token"]}
    ]
    git = job["git_info"]
    assert (git["sha"], git["ref"], git["ref_type"]) == (sha, "main", "branch")
    assert installation.git("ls-remote", git["repo_url"], f"refs/pipelines/{variables(job)['CI_PIPELINE_ID']}").stdout
    runner.end(job)
    assert installation.git("ls-remote", git["repo_url"], check=False).returncode != 0, "the token outlives its job"


def test_a_failure_stops_what_comes_after(installation: Installation, project: Any, runner: Runner) -> None:
    sha = push(project, THREE_STAGES)
    job = taken(runner)
    runner.end(job, "failed", failure_reason="script_failure", exit_code=1)
    pipeline = pipeline_of(project, sha)
    assert states(project, pipeline) == {"test": "failed", "build": "skipped", "deploy": "skipped"}
    assert pipeline.status == "failed"
    assert project.jobs.get(job["id"]).failure_reason == "script_failure"
    pipeline.retry()
    again = taken(runner)
    assert again["id"] != job["id"]
    assert states(project, pipeline) == {"test": "running", "build": "created", "deploy": "created"}


def test_needs_do_not_wait_for_stages(project: Any, runner: Runner) -> None:
    sha = push(
        project,
        """
        stages: [one, two]
        slow: {stage: one, script: [sleep]}
        quick: {stage: one, script: [x]}
        after: {stage: two, script: [x], needs: [quick]}
        free: {stage: two, script: [x], needs: []}
        """,
    )
    names = {}
    for _ in range(3):
        job = taken(runner)
        names[job["job_info"]["name"]] = job
    assert set(names) == {"slow", "quick", "free"}
    runner.end(names["quick"])
    assert taken(runner)["job_info"]["name"] == "after"
    assert states(project, pipeline_of(project, sha))["slow"] == "running"


def test_manual_and_allowed_failures(project: Any, runner: Runner) -> None:
    sha = push(
        project,
        """
        stages: [one, two]
        shaky: {stage: one, script: [x], allow_failure: true}
        stop: {stage: one, script: [x], rules: [{when: manual, allow_failure: true}]}
        next: {stage: two, script: [x]}
        cleanup: {stage: two, script: [x], when: on_failure}
        """,
    )
    runner.end(taken(runner), "failed", failure_reason="script_failure", exit_code=3)
    found = {job["job_info"]["name"]: job for job in (taken(runner), taken(runner))}
    assert set(found) == {"next", "cleanup"}
    for job in found.values():
        runner.end(job)
    pipeline = pipeline_of(project, sha)
    assert states(project, pipeline)["stop"] == "manual"
    assert pipeline.status == "success"
    manual = next(job for job in pipeline.jobs.list() if job.name == "stop")
    project.jobs.get(manual.id).play()
    assert taken(runner)["job_info"]["name"] == "stop"


def test_rules_see_changes_files_and_variables(project: Any, runner: Runner) -> None:
    text = """
    workflow:
      rules:
        - if: $CI_COMMIT_BRANCH =~ /^wip-/
          when: never
        - when: always
    include:
      - local: ci/more.yml
    docs: {script: [x], rules: [{changes: [docs/**/*]}]}
    go: {script: [x], rules: [{exists: [go.mod]}]}
    deploy: {script: [x], rules: [{if: $KUBECONFIG}]}
    """
    more = "include: [{local: ci/hidden.yml}]\nincluded: {extends: .hidden}\n"
    hidden = ".hidden: {script: [inherited]}\n"
    push(project, text, **{"ci/more.yml": more, "ci/hidden.yml": hidden, "go.mod": "module x"})
    first = {taken(runner)["job_info"]["name"] for _ in range(3)}
    assert first == {"docs", "go", "included"}, "changes: is true for a new branch"
    project.variables.create({"key": "KUBECONFIG", "value": "apiVersion: v1", "variable_type": "file"})
    push(project, text + "\n# again")
    second = [taken(runner) for _ in range(3)]
    assert {job["job_info"]["name"] for job in second} == {"go", "included", "deploy"}
    config = next(one for one in second[-1]["variables"] if one["key"] == "KUBECONFIG")
    assert (config["file"], config["value"], config["public"]) == (True, "apiVersion: v1", False)
    sha = push(project, text, branch="wip-x")
    # Pushes are looked at in their order: after the next one's jobs, nothing comes of this one any more.
    push(project, text + "\n# once more")
    assert {taken(runner)["job_info"]["name"] for _ in range(3)} == {"go", "included", "deploy"}
    assert project.pipelines.list(sha=sha) == []


OLDER = """
stages: [first, then]
branches: {stage: first, script: [x], only: [branches, tags]}
tags: {stage: first, script: [x], only: [tags]}
asked: {stage: first, script: [x], only: {refs: [main], variables: [$ASKED]}}
by-hand: {stage: first, script: [x], except: [/^wip-/], when: manual}
three: {stage: first, script: [x], parallel: 2}
matrix: {stage: first, script: [x], parallel: {matrix: [{A: [1, 2], B: x}]}, only: {variables: [$A == "2"]}}
after: {stage: then, script: [x], needs: [three], artifacts: {reports: {codequality: [a.json]}}}
"""


def test_the_older_words_and_parallel_jobs(project: Any, runner: Runner) -> None:
    pipeline = pipeline_of(project, push(project, OLDER))
    assert states(project, pipeline) == {
        "branches": "pending",
        "by-hand": "manual",
        "three 1/2": "pending",
        "three 2/2": "pending",
        "matrix: [2, x]": "pending",
        "after": "created",
    }
    jobs = [taken(runner) for _ in range(4)]
    numbers = {
        job["job_info"]["name"]: (variables(job).get("CI_NODE_INDEX"), variables(job)["CI_NODE_TOTAL"]) for job in jobs
    }
    assert numbers == {
        "branches": (None, "1"),
        "three 1/2": ("1", "2"),
        "three 2/2": ("2", "2"),
        "matrix: [2, x]": ("2", "2"),
    }
    assert {key: value for key, value in variables(jobs[-1]).items() if key in "AB"} == {"A": "2", "B": "x"}
    for job in jobs:
        runner.end(job)
    report = taken(runner)["artifacts"]
    assert [(each["artifact_type"], each["artifact_format"], each["name"]) for each in report] == [
        ("codequality", "raw", "gl-code-quality-report.json")
    ]


def test_skip_ci_and_broken_configurations(project: Any) -> None:
    sha = push(project, THREE_STAGES, message="quiet [skip ci]")
    assert pipeline_of(project, sha).status == "skipped"
    sha = push(project, "job: {script: [x], artifacts: {when: sometimes}}")
    broken = pipeline_of(project, sha)
    assert broken.status == "failed"
    assert "Invalid .gitlab-ci.yml configuration" in broken.yaml_errors
    sha = push(project, "job: {script: [x], only: {kubernetes: active}}")
    assert "not supported by the lab's GitLab: jobs:job:only:kubernetes" in pipeline_of(project, sha).yaml_errors
    sha = push(project, "include: [{template: No-Such.gitlab-ci.yml}]")
    assert "No-Such.gitlab-ci.yml" in pipeline_of(project, sha).yaml_errors


def test_pipelines_on_request_take_variables(project: Any, runner: Runner, client: gitlab.Gitlab) -> None:
    sha = push(project, "job: {script: [x], rules: [{if: $ASKED}]}")
    # The push's own pipeline is gone as soon as its rules have been looked at.
    deadline = time.monotonic() + 20
    while project.pipelines.list(sha=sha):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    with pytest.raises(gitlab.GitlabCreateError, match="resulting pipeline would have been empty"):
        project.pipelines.create({"ref": "main"})
    made = project.pipelines.create({"ref": "main", "variables": [{"key": "ASKED", "value": "yes"}]})
    job = taken(runner)
    assert job["job_info"]["id"] == made.jobs.list()[0].id
    assert variables(job) == variables(job) | {"ASKED": "yes", "CI_PIPELINE_SOURCE": "api"}
    with pytest.raises(gitlab.GitlabCreateError, match="Reference not found"):
        project.pipelines.create({"ref": "nope"})


def test_runners_get_jobs_of_their_scope_only(
    installation: Installation, client: gitlab.Gitlab, project: Any, group: Any
) -> None:
    other = client.projects.create({"name": "other", "namespace_id": group.id, "auto_devops_enabled": False})

    def made(**values: Any) -> Runner:
        assert client.user is not None
        return Runner(installation, client.user.runners.create(values).token)

    others = made(runner_type="project_type", project_id=other.id)
    tagged = made(runner_type="project_type", project_id=project.id, run_untagged=False, tag_list="special")
    protected = made(runner_type="project_type", project_id=project.id, access_level="ref_protected")
    groups = made(runner_type="group_type", group_id=group.id, tag_list="special")
    instance = made(runner_type="instance_type")
    push(project, "job: {script: [x]}")
    branch = push(project, "one: {script: [x]}\ntwo: {script: [x], tags: [special]}", branch="feature")
    pipeline_of(project, branch)
    assert others.take(0.5) is None
    found = taken(protected)
    assert found["job_info"]["name"] == "job"
    assert protected.take(0.5) is None
    assert taken(tagged)["job_info"]["name"] == "two"
    assert tagged.take(0.3) is None
    assert taken(groups)["job_info"]["name"] == "one"
    push(project, "job: {script: [y]}")
    assert taken(instance)["job_info"]["name"] == "job"
    client.projects.update(project.id, {"shared_runners_enabled": False})
    push(project, "job: {script: [z]}")
    assert instance.take(2) is None


def test_wrong_runner_tokens_are_refused(installation: Installation, runner: Runner) -> None:
    assert installation.post("/api/v4/runners/verify", json={"token": "glrt-wrong"}).status_code == 403
    assert installation.post("/api/v4/runners/verify", json={"token": runner.token}).json()["token"] == runner.token
    assert installation.post("/api/v4/jobs/request", json={"token": "glrt-wrong"}).status_code == 403


def test_a_waiting_runner_is_answered_at_once(installation: Installation, project: Any, runner: Runner) -> None:
    answer = installation.post("/api/v4/jobs/request", json={"token": runner.token})
    version = answer.headers["X-GitLab-Last-Update"]
    push(project, "job: {script: [x]}")
    started = time.monotonic()
    while True:
        answer = installation.post("/api/v4/jobs/request", json={"token": runner.token, "last_update": version})
        if answer.status_code == 201:
            break
        version = answer.headers["X-GitLab-Last-Update"]
    assert time.monotonic() - started < 5


def test_variables_are_there_only_where_they_may(
    installation: Installation, client: gitlab.Gitlab, project: Any, group: Any, runner: Runner
) -> None:
    group.variables.create({"key": "WHERE", "value": "group"})
    group.variables.create({"key": "FROM_GROUP", "value": "yes"})
    project.variables.create({"key": "WHERE", "value": "project"})
    project.variables.create({"key": "GUARDED", "value": "secret-of-main", "protected": True, "masked": True})
    project.variables.create({"key": "PLACE", "value": "anywhere"})
    project.variables.create({"key": "PLACE", "value": "live", "environment_scope": "production"})
    project.variables.create({"key": "PRICE", "value": "$WHERE", "raw": True})
    text = """
    variables: {WHERE: yaml, COMBINED: "$WHERE/$FROM_GROUP"}
    plain: {script: [x]}
    live: {script: [x], environment: production}
    """
    push(project, text)
    found = {job["job_info"]["name"]: variables(job) for job in (taken(runner), taken(runner))}
    assert found["plain"] == found["plain"] | {
        "WHERE": "project",
        "COMBINED": "project/yes",
        "GUARDED": "secret-of-main",
        "PLACE": "anywhere",
        "PRICE": "$WHERE",
    }
    assert found["live"]["PLACE"] == "live"
    push(project, text, branch="feature", x="y")
    assert "GUARDED" not in variables(taken(runner))


def test_masked_values_do_not_stay_in_the_log(installation: Installation, project: Any, runner: Runner) -> None:
    project.variables.create({"key": "PASSWORD", "value": "correct-horse", "masked": True})
    push(project, "job: {script: [x]}")
    job = taken(runner)
    assert runner.log(job, "the password is correct-").status_code == 202
    second = runner.log(job, "horse\nand the token " + job["token"] + "\n", 24)
    assert second.headers["Range"].startswith("0-")
    log = project.jobs.get(job["id"]).trace().decode()
    assert "correct-horse" not in log
    assert job["token"] not in log
    assert log.startswith("the password is [MASKED]")
    assert runner.log(job, "too far", 5000).status_code == 416


def test_artifacts_go_to_later_jobs(installation: Installation, project: Any, runner: Runner) -> None:
    push(
        project,
        """
        stages: [one, two]
        make: {stage: one, script: [x], artifacts: {paths: [out], reports: {dotenv: build.env}}}
        use: {stage: two, script: ["echo $IMAGE"]}
        """,
    )
    job = taken(runner)
    assert [one["artifact_type"] for one in job["artifacts"]] == ["archive", "dotenv"]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("out/x", "made")
    address = f"{installation.url}/api/v4/jobs/{job['id']}/artifacts"
    more: dict[str, Any] = {"headers": {"JOB-TOKEN": job["token"]}, "verify": str(installation.ca), "timeout": 30}
    up = requests.post(address, files={"file": ("artifacts.zip", content.getvalue())}, **more)
    assert up.status_code == 201, up.text
    outputs = gzip.compress(b"IMAGE=registry/hello:1\n")
    kind = {"artifact_type": "dotenv", "artifact_format": "gzip"}
    assert requests.post(address, params=kind, files={"file": (".env.gz", outputs)}, **more).status_code == 201
    runner.end(job)
    later = taken(runner)
    assert variables(later)["IMAGE"] == "registry/hello:1"
    dependency = later["dependencies"][0]
    assert dependency["name"] == "make"
    down = installation.get(f"/api/v4/jobs/{dependency['id']}/artifacts", headers={"JOB-TOKEN": dependency["token"]})
    assert zipfile.ZipFile(io.BytesIO(down.content)).read("out/x") == b"made"
    assert project.jobs.get(job["id"]).artifacts()[:2] == b"PK"


def test_a_cancelled_job_tells_its_runner(project: Any, runner: Runner) -> None:
    sha = push(project, THREE_STAGES)
    job = taken(runner)
    pipeline_of(project, sha).cancel()
    answer = runner.log(job, "more")
    assert (answer.status_code, answer.headers["Job-Status"]) == (403, "canceled")
    assert pipeline_of(project, sha).status == "canceled"


def test_job_tokens_do_not_administer(installation: Installation, project: Any, runner: Runner) -> None:
    push(project, "job: {script: [x]}")
    job = taken(runner)
    token = {"JOB-TOKEN": job["token"]}
    assert installation.get("/api/v4/job", headers=token).json()["name"] == "job"
    for path in ("/api/v4/users", f"/api/v4/projects/{project.id}/variables", "/api/v4/runners/all"):
        assert installation.get(path, headers=token).status_code in {401, 403}
        assert installation.get(path, headers={"PRIVATE-TOKEN": job["token"]}).status_code == 401


def test_people_read_pipelines_and_logs(installation: Installation, project: Any, runner: Runner) -> None:
    sha = push(project, "job: {script: [x]}")
    job = taken(runner)
    runner.log(job, "\x1b[32mall is well\x1b[0m\n")
    runner.end(job)
    pipeline = pipeline_of(project, sha)
    browser = requests.Session()
    browser.verify = str(installation.ca)
    # Not the bundle that the environment may name.
    browser.trust_env = False
    page = f"{installation.url}/{project.path_with_namespace}/-/pipelines/{pipeline.id}"
    assert "/users/sign_in" in browser.get(page, timeout=30).url
    wrong = {"user[login]": "root", "user[password]": "wrong"}
    assert browser.post(f"{installation.url}/users/sign_in", data=wrong, timeout=30).status_code == 401
    right = {"user[login]": "root", "user[password]": TOKEN}
    browser.post(f"{installation.url}/users/sign_in", data=right, timeout=30)
    assert 'data-status="success"' in browser.get(page, timeout=30).text
    log = browser.get(f"{installation.url}/{project.path_with_namespace}/-/jobs/{job['id']}", timeout=30).text
    assert "all is well" in log
    assert "\x1b" not in log
