"""Pipelines as people see them."""

from __future__ import annotations

from typing import Any

from gitlab_standin import accounts, branches, pushes
from gitlab_standin.accounts import Actor
from gitlab_standin.api.jobs import jobs_page
from gitlab_standin.api.representations import (
    show_pipeline,
    show_pipeline_briefly,
)
from gitlab_standin.api.routing import Context, route
from gitlab_standin.ci import pipelines, progress, traces
from gitlab_standin.ci.variables import given_with_pipeline
from gitlab_standin.database import Row
from gitlab_standin.errors import ApiError, bad_request, forbidden, not_found
from gitlab_standin.repository import ZERO

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
        rows = [row for row in rows if row["status"] in progress.DONE]
    elif scope:
        rows = [row for row in rows if bool(row["tag"]) == (scope == "tags")]
    if given.text("sort") == "asc":
        rows.reverse()
    return context.page(rows, lambda row: show_pipeline_briefly(context.site, row))


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
    if not is_branch or not branches.is_protected(context.site, project, ref):
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
        rows = progress.current_jobs(context.site, pipeline["id"])
    return jobs_page(context, list(reversed(rows)))


@route("GET", "/projects/:id/pipelines/:pipeline_id/variables")
def pipeline_variables(context: Context) -> Any:
    context.project(accounts.DEVELOPER)
    given = given_with_pipeline(context.site, _pipeline(context))
    return [
        {"key": one.key, "value": one.value, "variable_type": "file" if one.file else "env_var", "raw": False}
        for one in given
    ]


@route("POST", "/projects/:id/pipelines/:pipeline_id/retry")
def retry_pipeline(context: Context) -> dict[str, Any]:
    pipeline = _pipeline(context, accounts.DEVELOPER)
    for job in progress.current_jobs(context.site, pipeline["id"]):
        if job["status"] in {"failed", "canceled"}:
            progress.retry_job(context.site, job)
    progress.advance(context.site, pipeline["id"])
    return show_pipeline(context.site, _pipeline(context))


@route("POST", "/projects/:id/pipelines/:pipeline_id/cancel", status=200)
def cancel_pipeline(context: Context) -> dict[str, Any]:
    pipeline = _pipeline(context, accounts.DEVELOPER)
    progress.cancel(context.site, progress.current_jobs(context.site, pipeline["id"]))
    return show_pipeline(context.site, _pipeline(context))


@route("DELETE", "/projects/:id/pipelines/:pipeline_id")
def delete_pipeline(context: Context) -> None:
    pipeline = _pipeline(context, accounts.OWNER)
    for job in context.db.rows("select id from jobs where pipeline_id = ?", pipeline["id"]):
        traces.delete(context.site.settings, job["id"])
    context.db.execute("delete from pipelines where id = ?", pipeline["id"])


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
