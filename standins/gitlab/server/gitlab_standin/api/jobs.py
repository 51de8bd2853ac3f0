"""Jobs as people see them: their logs and artifacts, and what can be done with them."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from gitlab_standin import accounts, clock
from gitlab_standin.api.representations import (
    show_job,
)
from gitlab_standin.api.routing import Context, route
from gitlab_standin.api.runner_api import artifact_response
from gitlab_standin.ci import progress, traces
from gitlab_standin.database import Row
from gitlab_standin.errors import ApiError, bad_request, forbidden, not_found


@route("GET", "/projects/:id/jobs", "scope")
def list_jobs(context: Context) -> Any:
    project = context.project(public=True)
    rows = context.db.rows("select * from jobs where project_id = ? order by id desc", project["id"])
    return jobs_page(context, rows)


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
    made = progress.retry_job(context.site, job)
    progress.advance(context.site, job["pipeline_id"])
    return show_job(context.site, made)


@route("POST", "/projects/:id/jobs/:job_id/cancel", "force")
def cancel_job(context: Context) -> dict[str, Any]:
    job = _job(context, accounts.DEVELOPER)
    progress.cancel(context.site, [job])
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
        progress.advance(context.site, job["pipeline_id"])
    return show_job(context.site, _job(context))


@route("POST", "/projects/:id/jobs/:job_id/erase")
def erase_job(context: Context) -> dict[str, Any]:
    job = _job(context, accounts.MAINTAINER)
    if job["status"] not in progress.DONE:
        raise forbidden("Job is not erasable!")
    traces.delete(context.site.settings, job["id"])
    context.db.execute("delete from artifacts where job_id = ?", job["id"])
    context.db.update("jobs", job["id"], erased_at=clock.now())
    return show_job(context.site, _job(context))


def _job(context: Context, level: int = accounts.GUEST, jobs: bool = False) -> Row:
    project = context.project(level, public=level == accounts.GUEST, jobs=jobs)
    row = context.db.row(
        "select * from jobs where project_id = ? and id = ?", project["id"], context.integer("job_id", "Job")
    )
    if row is None:
        raise not_found()
    return row


def jobs_page(context: Context, rows: list[Row]) -> Any:
    """One page of jobs, of the statuses that `scope` names."""
    scope = context.parameters.strings("scope")
    if scope:
        rows = [row for row in rows if row["status"] in scope]
    return context.page(rows, lambda row: show_job(context.site, row))
