"""Pipelines, jobs, environments and deployments, as people see them."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from gitlab_standin import accounts, clock, pushes
from gitlab_standin.accounts import Actor
from gitlab_standin.api.repository import show_commit
from gitlab_standin.api.routing import Context, route
from gitlab_standin.api.runner_api import artifact_response
from gitlab_standin.api.runners import show_runner
from gitlab_standin.api.users import show_user
from gitlab_standin.ci import pipelines, traces
from gitlab_standin.database import Row
from gitlab_standin.errors import ApiError, bad_request, forbidden, not_found
from gitlab_standin.repository import ZERO
from gitlab_standin.site import Site

_LIST = (
    "scope status source ref sha yaml_errors username updated_after updated_before created_after created_before name"
)


@route("GET", "/projects/:id/pipelines", _LIST)
def list_pipelines(context: Context) -> Any:
    project, given = context.project(public=True), context.parameters
    rows = context.db.rows("select * from pipelines where project_id = ? order by id desc", project["id"])
    for name in ("status", "source", "ref", "sha"):
        wanted = given.text(name)
        if wanted is not None:
            rows = [row for row in rows if row[name] == wanted]
    scope = given.choice("scope", ("running", "pending", "finished", "branches", "tags"))
    if scope in {"running", "pending"}:
        rows = [row for row in rows if row["status"] == scope]
    elif scope == "finished":
        rows = [row for row in rows if row["status"] in pipelines.DONE]
    elif scope:
        rows = [row for row in rows if bool(row["tag"]) == (scope == "tags")]
    if given.text("sort") == "asc":
        rows.reverse()
    return context.page(rows, lambda row: show_short(context.site, row))


@route("POST", "/projects/:id/pipeline", "ref variables inputs")
def create_pipeline(context: Context) -> dict[str, Any]:
    project, given = context.project(accounts.DEVELOPER), context.parameters
    ref = given.required("ref")
    repositories = context.site.repositories
    branch = repositories.branch(project["id"], ref)
    sha = branch or dict(repositories.refs(project["id"], "tags")).get(ref)
    if sha is None:
        raise bad_request({"base": ["Reference not found"]})
    if given.values.get("inputs"):
        raise ApiError(501, {"message": "501 inputs are not supported by the lab's GitLab"})
    source = pipelines.Source("api", ref, branch is None, sha, ZERO, False, _given_variables(context))
    _may_run(context, project, ref, branch is not None)
    try:
        pipeline = pipelines.request(context.site, project["id"], context.user, source)
    except pipelines.NoPipeline as why:
        raise bad_request({"base": [str(why)]}) from why
    if pipeline["yaml_errors"]:
        raise bad_request({"base": pipeline["yaml_errors"].splitlines()})
    return show_pipeline(context.site, pipeline)


def _may_run(context: Context, project: Row, ref: str, is_branch: bool) -> None:
    """Raises 400 where the ref is protected against the user."""
    if not is_branch or not pushes.is_protected(context.site, project, ref):
        return
    change = pushes.RefChange(ZERO, "1" * 40, f"refs/heads/{ref}")
    if pushes.refusal(context.site, project, Actor(user=context.user), change, {}):
        raise bad_request({"base": ["You do not have sufficient permission to run a pipeline on '" + ref + "'."]})


def _given_variables(context: Context) -> list[dict[str, str]]:
    found = []
    for entry in context.parameters.objects("variables") or []:
        if set(entry) - {"key", "value", "variable_type"} or "key" not in entry:
            raise ApiError(400, {"error": "variables is invalid"})
        kind = str(entry.get("variable_type") or "env_var")
        found.append({"key": str(entry["key"]), "value": str(entry.get("value") or ""), "variable_type": kind})
    return found


@route("GET", "/projects/:id/pipelines/latest", "ref")
def latest_pipeline(context: Context) -> dict[str, Any]:
    project = context.project(public=True)
    ref = context.parameters.text("ref") or project["default_branch"]
    row = context.db.row(
        "select * from pipelines where project_id = ? and ref = ? order by id desc limit 1", project["id"], ref
    )
    if row is None:
        raise forbidden()
    return show_pipeline(context.site, row)


@route("GET", "/projects/:id/pipelines/:pipeline_id")
def one_pipeline(context: Context) -> dict[str, Any]:
    return show_pipeline(context.site, _pipeline(context))


@route("GET", "/projects/:id/pipelines/:pipeline_id/jobs", "scope include_retried")
def pipeline_jobs(context: Context) -> Any:
    pipeline = _pipeline(context)
    if context.parameters.boolean("include_retried"):
        rows = context.db.rows("select * from jobs where pipeline_id = ? order by stage_index, id", pipeline["id"])
    else:
        rows = pipelines.current_jobs(context.site, pipeline["id"])
    return _jobs_page(context, list(reversed(rows)))


@route("GET", "/projects/:id/pipelines/:pipeline_id/variables")
def pipeline_variables(context: Context) -> Any:
    from gitlab_standin.ci.variables import given_with_pipeline

    context.project(accounts.DEVELOPER)
    given = given_with_pipeline(context.site, _pipeline(context))
    return [
        {"key": one.key, "value": one.value, "variable_type": "file" if one.file else "env_var", "raw": False}
        for one in given
    ]


@route("POST", "/projects/:id/pipelines/:pipeline_id/retry")
def retry_pipeline(context: Context) -> dict[str, Any]:
    pipeline = _pipeline(context, accounts.DEVELOPER)
    for job in pipelines.current_jobs(context.site, pipeline["id"]):
        if job["status"] in {"failed", "canceled"}:
            pipelines.retry_job(context.site, job)
    pipelines.advance(context.site, pipeline["id"])
    return show_pipeline(context.site, _pipeline(context))


@route("POST", "/projects/:id/pipelines/:pipeline_id/cancel", status=200)
def cancel_pipeline(context: Context) -> dict[str, Any]:
    pipeline = _pipeline(context, accounts.DEVELOPER)
    pipelines.cancel(context.site, pipelines.current_jobs(context.site, pipeline["id"]))
    return show_pipeline(context.site, _pipeline(context))


@route("DELETE", "/projects/:id/pipelines/:pipeline_id")
def delete_pipeline(context: Context) -> None:
    pipeline = _pipeline(context, accounts.OWNER)
    for job in context.db.rows("select id from jobs where pipeline_id = ?", pipeline["id"]):
        traces.delete(context.site.settings, job["id"])
    context.db.execute("delete from pipelines where id = ?", pipeline["id"])


@route("GET", "/projects/:id/jobs", "scope")
def list_jobs(context: Context) -> Any:
    project = context.project(public=True)
    rows = context.db.rows("select * from jobs where project_id = ? order by id desc", project["id"])
    return _jobs_page(context, rows)


@route("GET", "/projects/:id/jobs/:job_id")
def one_job(context: Context) -> dict[str, Any]:
    return show_job(context.site, _job(context))


@route("GET", "/projects/:id/jobs/:job_id/trace")
def job_trace(context: Context) -> Response:
    job = _job(context)
    return Response(traces.read(context.site.settings, job), media_type="text/plain; charset=utf-8")


@route("GET", "/projects/:id/jobs/:job_id/artifacts", "job_token")
def job_artifacts(context: Context) -> Response:
    return artifact_response(context.site, _job(context, jobs=True), "archive")


@route("POST", "/projects/:id/jobs/:job_id/retry")
def retry_job(context: Context) -> dict[str, Any]:
    job = _job(context, accounts.DEVELOPER)
    if job["retried"] or job["status"] not in {"success", "failed", "canceled"}:
        raise forbidden("Job is not retryable")
    made = pipelines.retry_job(context.site, job)
    pipelines.advance(context.site, job["pipeline_id"])
    return show_job(context.site, made)


@route("POST", "/projects/:id/jobs/:job_id/cancel", "force")
def cancel_job(context: Context) -> dict[str, Any]:
    job = _job(context, accounts.DEVELOPER)
    pipelines.cancel(context.site, [job])
    return show_job(context.site, _job(context))


@route("POST", "/projects/:id/jobs/:job_id/play", "job_variables_attributes", status=200)
def play_job(context: Context) -> dict[str, Any]:
    job = _job(context, accounts.DEVELOPER)
    if context.parameters.values.get("job_variables_attributes"):
        raise ApiError(501, {"message": "501 job_variables_attributes are not supported by the lab's GitLab"})
    if job["status"] != "manual":
        raise bad_request("Unplayable Job")
    user = context.user
    with context.db.transaction():
        context.db.update("jobs", job["id"], status="pending", queued_at=clock.now(), user_id=user["id"])
        # What was skipped or went on without it comes after it now.
        pipelines.advance(context.site, job["pipeline_id"])
    return show_job(context.site, _job(context))


@route("POST", "/projects/:id/jobs/:job_id/erase")
def erase_job(context: Context) -> dict[str, Any]:
    job = _job(context, accounts.MAINTAINER)
    if job["status"] not in pipelines.DONE:
        raise forbidden("Job is not erasable!")
    traces.delete(context.site.settings, job["id"])
    context.db.execute("delete from artifacts where job_id = ?", job["id"])
    context.db.update("jobs", job["id"], erased_at=clock.now())
    return show_job(context.site, _job(context))


# Environments and deployments


@route("GET", "/projects/:id/environments", "name search states")
def list_environments(context: Context) -> Any:
    project, given = context.project(accounts.REPORTER, public=True), context.parameters
    rows = context.db.rows("select * from environments where project_id = ? order by name", project["id"])
    name, state, search = given.text("name"), given.text("states"), given.text("search") or ""
    rows = [
        row
        for row in rows
        if (name is None or row["name"] == name) and (state is None or row["state"] == state) and search in row["name"]
    ]
    return context.page(rows, lambda row: _show_environment(context.site, row))


@route("GET", "/projects/:id/environments/:environment_id")
def one_environment(context: Context) -> dict[str, Any]:
    row = _environment(context, accounts.REPORTER)
    last = context.db.row("select * from deployments where environment_id = ? order by id desc limit 1", row["id"])
    shown = _show_environment(context.site, row)
    return {**shown, "last_deployment": _show_deployment(context.site, last) if last else None}


@route("POST", "/projects/:id/environments/:environment_id/stop", "force", status=200)
def stop_environment(context: Context) -> dict[str, Any]:
    """Stop an environment, by its `on_stop` job where it has one."""
    row = _environment(context, accounts.DEVELOPER)
    stopping = None
    if row["on_stop"] and not context.parameters.boolean("force"):
        stopping = context.db.row(
            "select * from jobs where project_id = ? and name = ? and status = 'manual' order by id desc limit 1",
            row["project_id"],
            row["on_stop"],
        )
    if stopping:
        context.db.update("jobs", stopping["id"], status="pending", queued_at=clock.now())
        pipelines.advance(context.site, stopping["pipeline_id"])
    context.db.update("environments", row["id"], state="stopping" if stopping else "stopped", updated_at=clock.now())
    return _show_environment(context.site, _environment(context, accounts.DEVELOPER))


@route("DELETE", "/projects/:id/environments/:environment_id")
def delete_environment(context: Context) -> None:
    row = _environment(context, accounts.DEVELOPER)
    if row["state"] != "stopped":
        raise forbidden()
    context.db.execute("delete from environments where id = ?", row["id"])


@route("GET", "/projects/:id/deployments", "environment status updated_after updated_before")
def list_deployments(context: Context) -> Any:
    project, given = context.project(accounts.REPORTER, public=True), context.parameters
    rows = context.db.rows(
        "select deployments.*, environments.name as name from deployments join environments "
        "on environments.id = environment_id where deployments.project_id = ? order by deployments.id",
        project["id"],
    )
    name, status = given.text("environment"), given.text("status")
    rows = [row for row in rows if name in {None, row["name"]} and status in {None, row["status"]}]
    if given.text("sort") == "desc":
        rows.reverse()
    return context.page(rows, lambda row: _show_deployment(context.site, row))


@route("GET", "/projects/:id/deployments/:deployment_id")
def one_deployment(context: Context) -> dict[str, Any]:
    project = context.project(accounts.REPORTER, public=True)
    row = context.db.row(
        "select * from deployments where project_id = ? and id = ?",
        project["id"],
        context.integer("deployment_id", "Deployment"),
    )
    if row is None:
        raise not_found("Deployment")
    return _show_deployment(context.site, row)


def _environment(context: Context, level: int) -> Row:
    project = context.project(level, public=level == accounts.REPORTER)
    row = context.db.row(
        "select * from environments where project_id = ? and id = ?",
        project["id"],
        context.integer("environment_id", "Environment"),
    )
    if row is None:
        raise not_found("Environment")
    return row


def _show_environment(site: Site, row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "name": row["name"],
        "slug": row["slug"],
        "description": None,
        "external_url": row["external_url"],
        "state": row["state"],
        "tier": row["tier"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "auto_stop_at": None,
    }


def _show_deployment(site: Site, row: Row) -> dict[str, Any]:
    job = site.db.row("select * from jobs where id = ?", row["job_id"]) if row["job_id"] else None
    environment = site.db.row("select * from environments where id = ?", row["environment_id"])
    assert environment is not None
    user = accounts.find_user(site, row["user_id"])
    return {
        "id": row["id"],
        "iid": row["iid"],
        "ref": row["ref"],
        "sha": row["sha"],
        "status": row["status"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "user": show_user(site, user) if user else None,
        "environment": {
            "id": environment["id"],
            "name": environment["name"],
            "external_url": environment["external_url"],
        },
        "deployable": show_job(site, job) if job else None,
    }


# How they are shown


def _pipeline(context: Context, level: int = accounts.GUEST) -> Row:
    project = context.project(level, public=level == accounts.GUEST)
    row = context.db.row(
        "select * from pipelines where project_id = ? and id = ?",
        project["id"],
        context.integer("pipeline_id", "Pipeline"),
    )
    if row is None:
        raise not_found()
    return row


def _job(context: Context, level: int = accounts.GUEST, jobs: bool = False) -> Row:
    project = context.project(level, public=level == accounts.GUEST, jobs=jobs)
    row = context.db.row(
        "select * from jobs where project_id = ? and id = ?", project["id"], context.integer("job_id", "Job")
    )
    if row is None:
        raise not_found()
    return row


def _jobs_page(context: Context, rows: list[Row]) -> Any:
    scope = context.parameters.strings("scope")
    if scope:
        rows = [row for row in rows if row["status"] in scope]
    return context.page(rows, lambda row: show_job(context.site, row))


def _project_path(site: Site, project_id: int) -> str:
    row = site.db.row("select full_path from projects where id = ?", project_id)
    return str(row["full_path"]) if row else ""


def show_short(site: Site, row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "iid": row["iid"],
        "project_id": row["project_id"],
        "sha": row["sha"],
        "ref": row["ref"],
        "status": row["status"],
        "source": row["source"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "web_url": f"{site.settings.url}/{_project_path(site, row['project_id'])}/-/pipelines/{row['id']}",
        "name": None,
    }


def show_pipeline(site: Site, row: Row) -> dict[str, Any]:
    user = accounts.find_user(site, row["user_id"])
    return {
        **show_short(site, row),
        "before_sha": row["before_sha"],
        "tag": bool(row["tag"]),
        "yaml_errors": row["yaml_errors"],
        "user": show_user(site, user) if user else None,
        "started_at": row["started_at"],
        "finished_at": row["finished_at"],
        "committed_at": None,
        "duration": clock.seconds_between(row["started_at"], row["finished_at"]) if row["finished_at"] else None,
        "queued_duration": clock.seconds_between(row["created_at"], row["started_at"]) if row["started_at"] else None,
        "coverage": None,
        "detailed_status": {"text": row["status"], "label": row["status"], "group": row["status"]},
    }


def show_job(site: Site, row: Row) -> dict[str, Any]:
    pipeline = site.db.row("select * from pipelines where id = ?", row["pipeline_id"])
    project = site.db.row("select * from projects where id = ?", row["project_id"])
    assert pipeline is not None and project is not None
    runner = site.db.row("select * from runners where id = ?", row["runner_id"]) if row["runner_id"] else None
    user = accounts.find_user(site, row["user_id"])
    kept = site.db.rows("select * from artifacts where job_id = ?", row["id"])
    artifacts = [
        {
            "file_type": one["file_type"],
            "size": one["size"],
            "filename": one["filename"],
            "file_format": one["file_format"],
        }
        for one in kept
    ]
    archive = next((one for one in kept if one["file_type"] == "archive"), None)
    started = row["started_at"]
    return {
        "id": row["id"],
        "status": row["status"],
        "stage": row["stage"],
        "name": row["name"],
        "ref": pipeline["ref"],
        "tag": bool(pipeline["tag"]),
        "coverage": None,
        "allow_failure": bool(row["allow_failure"]),
        "created_at": row["created_at"],
        "started_at": started,
        "finished_at": row["finished_at"],
        "erased_at": row["erased_at"],
        "duration": clock.seconds_between(started, row["finished_at"]) if started else None,
        "queued_duration": clock.seconds_between(row["queued_at"], started) if started and row["queued_at"] else None,
        "failure_reason": row["failure_reason"],
        "exit_code": row["exit_code"],
        "user": show_user(site, user) if user else None,
        "commit": show_commit(site, project, pipeline["sha"]),
        "pipeline": show_short(site, pipeline),
        "web_url": f"{site.settings.url}/{project['full_path']}/-/jobs/{row['id']}",
        "project": {"ci_job_token_scope_enabled": False},
        "artifacts": artifacts,
        **({"artifacts_file": {"filename": archive["filename"], "size": archive["size"]}} if archive else {}),
        "runner": show_runner(site, runner) if runner else None,
        "artifacts_expire_at": archive["expire_at"] if archive else None,
        "tag_list": row["tag_list"],
        "archived": False,
    }
