"""What a runner gets with a job: script, variables, image, sources, artifacts; GitLab's own shape."""

from __future__ import annotations

import json
from typing import Any

from gitlab_standin import branches, clock, vault
from gitlab_standin.ci import environments, progress, reports, variables
from gitlab_standin.ci.variables import Variable
from gitlab_standin.database import Row
from gitlab_standin.kas import kubeconfig
from gitlab_standin.kas.access import AgentConfigurationError
from gitlab_standin.site import Site


def assign(site: Site, job: Row, runner: Row) -> dict[str, Any]:
    """Give a running job its token and say what the runner needs to know."""
    token = vault.new_token("glcbt-")
    site.db.update("jobs", job["id"], digest=site.vault.digest(token), sealed_token=site.vault.encrypt(token))
    project = _row(site, "projects", job["project_id"])
    pipeline = _row(site, "pipelines", job["pipeline_id"])
    known = all_variables(site, project, pipeline, job, token)
    values = {variable.key: variable.value for variable in known}
    environments.job_started(site, job, pipeline, values.get("CI_ENVIRONMENT_URL"))
    spec = job["spec"]
    seconds = variables.timeout(project, job)
    if runner["maximum_timeout"]:
        seconds = min(seconds, runner["maximum_timeout"])
    registry = site.settings.registry_address
    credentials = []
    if registry:
        credentials.append({"type": "registry", "url": registry, "username": "gitlab-ci-token", "password": token})
    return {
        "id": job["id"],
        "token": token,
        "allow_git_fetch": project["attributes"].get("build_git_strategy", "fetch") == "fetch",
        "job_info": {
            "id": job["id"],
            "name": job["name"],
            "stage": job["stage"],
            "project_id": project["id"],
            "project_name": project["name"],
            "project_full_path": project["full_path"],
            "namespace_id": project["namespace_id"],
            "timeout": seconds,
            "time_in_queue_seconds": 0,
            "project_jobs_running_on_instance_runners_count": "0",
            "queue_size": 0,
            "queue_depth": 0,
        },
        "git_info": _git(site, project, pipeline, token),
        "runner_info": {"timeout": seconds, "runner_session_url": None},
        "inputs": [],
        "variables": [
            {
                "key": variable.key,
                "value": variable.value,
                "public": variable.public,
                "masked": variable.masked,
                **({"file": True} if variable.file else {}),
                **({"raw": True} if variable.raw else {}),
            }
            for variable in known
        ],
        "steps": _steps(spec, seconds),
        "image": _image(spec["image"], values),
        "services": [_service(service, values) for service in spec["services"]],
        "artifacts": _artifacts(spec["artifacts"], values),
        "cache": _cache(spec["cache"], job, values),
        "credentials": credentials,
        "dependencies": _dependencies(site, job),
        "features": {
            "trace_sections": True,
            "token_mask_prefixes": [],
            "failure_reasons": [
                "unknown_failure",
                "script_failure",
                "api_failure",
                "stuck_or_timeout_failure",
                "runner_system_failure",
                "runner_unsupported",
                "image_pull_failure",
                "job_execution_timeout",
                "configuration_error",
            ],
        },
        "hooks": [],
    }


def all_variables(site: Site, project: Row, pipeline: Row, job: Row, token: str) -> list[Variable]:
    """A job's variables in GitLab's order of precedence, the lowest first; each once and expanded."""
    spec = job["spec"]
    found = variables.of_pipeline(site, project, pipeline) + variables.of_job(site, project, job, token)
    try:
        found += kubeconfig.of_job(site, project, job["environment"], bool(job["protected"]), token)
    except AgentConfigurationError as error:
        # Pushed since this pipeline was made: the one of that push failed by it, and says so.
        print(f"{clock.now()} job {job['id']} gets no agents: {error}", flush=True)
    own = [Variable(key, value) for key, value in spec["variables"].items()]
    protected = not pipeline["tag"] and branches.is_protected(site, project, pipeline["ref"])
    stored = variables.stored(site, project, protected, job["environment"])
    outputs = [Variable(key, value, public=False) for key, value in _outputs(site, job).items()]
    given = variables.given_with_pipeline(site, pipeline)
    environment = None
    if job["environment"]:
        environment = {**spec["environment"], "name": job["environment"]}
    everything = found + variables.of_environment(job, environment) + own + outputs + stored + given
    return variables.expand_all(everything)


def masked_values(site: Site, job: Row) -> list[str]:
    """What must not be seen in a job's log."""
    project = _row(site, "projects", job["project_id"])
    protected = bool(job["protected"])
    values = [one.value for one in variables.stored(site, project, protected, job["environment"]) if one.masked]
    if job["sealed_token"]:
        values.append(site.vault.decrypt(job["sealed_token"]))
    return values


def _row(site: Site, table: str, row_id: int) -> Row:
    found = site.db.row(f"select * from {table} where id = ?", row_id)
    assert found is not None
    return found


def _git(site: Site, project: Row, pipeline: Row, token: str) -> dict[str, Any]:
    ref, is_tag = pipeline["ref"], bool(pipeline["tag"])
    specs = [f"+refs/pipelines/{pipeline['id']}:refs/pipelines/{pipeline['id']}"]
    specs.append(f"+refs/tags/{ref}:refs/tags/{ref}" if is_tag else f"+refs/heads/{ref}:refs/remotes/origin/{ref}")
    return {
        "repo_url": variables.repository_url(site, project, token),
        "repo_object_format": "sha1",
        "ref": ref,
        "sha": pipeline["sha"],
        "before_sha": pipeline["before_sha"],
        "ref_type": "tag" if is_tag else "branch",
        "refspecs": specs,
        "depth": project["attributes"].get("ci_default_git_depth") or 20,
        "protected": not is_tag and branches.is_protected(site, project, ref),
    }


def _steps(spec: dict[str, Any], seconds: int) -> list[dict[str, Any]]:
    script = [*spec["before_script"], *spec["script"]]
    steps = [{"name": "script", "script": script, "timeout": seconds, "when": "on_success", "allow_failure": False}]
    if spec["after_script"]:
        steps.append(
            {
                "name": "after_script",
                "script": spec["after_script"],
                "timeout": seconds,
                "when": "always",
                "allow_failure": True,
            }
        )
    return steps


def _image(image: dict[str, Any] | None, values: dict[str, str]) -> dict[str, Any] | None:
    if not image:
        return None
    found = {"name": variables.expand(str(image["name"]), values), "entrypoint": image.get("entrypoint")}
    return {**found, "executor_opts": {"docker": image.get("docker") or {}}, "ports": [], "pull_policy": None}


def _service(service: dict[str, Any], values: dict[str, str]) -> dict[str, Any]:
    alias = service.get("alias")
    return {
        "name": variables.expand(str(service["name"]), values),
        "alias": variables.expand(alias, values) if alias else None,
        "entrypoint": service.get("entrypoint"),
        "command": service.get("command"),
        "variables": [
            {"key": key, "value": variables.expand(str(value), values)}
            for key, value in (service.get("variables") or {}).items()
        ],
        "ports": [],
        "pull_policy": None,
    }


def _artifacts(artifacts: dict[str, Any], values: dict[str, str]) -> list[dict[str, Any]] | None:
    found = []
    if artifacts.get("paths") or artifacts.get("untracked"):
        found.append(
            {
                "name": variables.expand(str(artifacts.get("name") or ""), values),
                "untracked": bool(artifacts.get("untracked")),
                "paths": [variables.expand(str(path), values) for path in artifacts.get("paths") or []],
                "exclude": [variables.expand(str(path), values) for path in artifacts.get("exclude") or []],
                "when": artifacts.get("when") or "on_success",
                "expire_in": artifacts.get("expire_in"),
                "artifact_type": "archive",
                "artifact_format": "zip",
            }
        )
    for kind, paths in reports.wanted(artifacts.get("reports") or {}).items():
        name, form = reports.KINDS[kind]
        found.append(
            {
                "name": name,
                "untracked": False,
                "paths": [variables.expand(str(path), values) for path in paths],
                "when": "always",
                "expire_in": artifacts.get("expire_in"),
                "artifact_type": kind,
                "artifact_format": form,
            }
        )
    return found or None


def _cache(cache: list[dict[str, Any]], job: Row, values: dict[str, str]) -> list[dict[str, Any]]:
    found = []
    suffix = "protected" if job["protected"] else "non_protected"
    for entry in cache:
        key = entry.get("key") or "default"
        if isinstance(key, dict):
            key = "-".join([str(key.get("prefix") or ""), *map(str, key.get("files") or [])]).strip("-")
        found.append(
            {
                "key": f"{variables.expand(str(key), values)}-{suffix}",
                "untracked": bool(entry.get("untracked")),
                "paths": [variables.expand(str(path), values) for path in entry.get("paths") or []],
                "policy": entry.get("policy") or "pull-push",
                "when": entry.get("when") or "on_success",
                "fallback_keys": [],
            }
        )
    return found


def _sources(site: Site, job: Row) -> list[Row]:
    """The jobs whose results this one gets: those it names, else all of earlier stages."""
    jobs = progress.current_jobs(site, job["pipeline_id"])
    if job["needs"] is not None:
        wanted = {need["job"] for need in job["needs"] if need.get("artifacts", True)}
        found = [other for other in jobs if other["name"] in wanted]
    else:
        found = [other for other in jobs if other["stage_index"] < job["stage_index"]]
    if job["dependencies"] is not None:
        found = [other for other in found if other["name"] in job["dependencies"]]
    return [other for other in found if other["status"] in {"success", "failed"}]


def _dependencies(site: Site, job: Row) -> list[dict[str, Any]]:
    found = []
    for other in _sources(site, job):
        archive = site.db.row("select * from artifacts where job_id = ? and file_type = 'archive'", other["id"])
        if archive and other["sealed_token"]:
            found.append(
                {
                    "id": other["id"],
                    "name": other["name"],
                    "token": site.vault.decrypt(other["sealed_token"]),
                    "artifacts_file": {"filename": archive["filename"], "size": archive["size"]},
                }
            )
    return found


def _outputs(site: Site, job: Row) -> dict[str, str]:
    """Variables that earlier jobs reported with artifacts:reports:dotenv."""
    found: dict[str, str] = {}
    for other in _sources(site, job):
        if other["output_variables"]:
            found |= json.loads(site.vault.decrypt(other["output_variables"]))
    return found
