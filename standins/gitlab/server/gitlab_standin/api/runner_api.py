"""How runners talk: asking for jobs, sending logs, results and artifacts."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from typing import Any

from starlette.responses import FileResponse, Response

from gitlab_standin import accounts, clock
from gitlab_standin.api.representations import show_job
from gitlab_standin.api.routing import Context, route
from gitlab_standin.api.runners import serves
from gitlab_standin.ci import environments, language, payload, progress, reports, traces, variables
from gitlab_standin.database import Row
from gitlab_standin.errors import ApiError, forbidden, not_found
from gitlab_standin.site import Site

_INFO = ("version", "revision", "platform", "architecture", "executor")


def _runner(context: Context) -> Row:
    token = context.parameters.required("token")
    row = context.db.row("select * from runners where digest = ?", context.site.vault.digest(token))
    if row is None:
        raise forbidden()
    info = context.parameters.values.get("info") or {}
    values = {name: str(info[name]) for name in _INFO if info.get(name)}
    client = context.request.client
    context.db.update(
        "runners", row["id"], contacted_at=clock.now(), ip_address=client.host if client else None, **values
    )
    return row


@route("POST", "/runners", "*")
def register(context: Context) -> None:
    """Registration tokens are gone: runners are made with POST /user/runners."""
    raise ApiError(410, {"message": "410 Gone - runner registration disallowed"})


@route("POST", "/runners/verify", "token system_id info", status=200)
def verify(context: Context) -> dict[str, Any]:
    row = _runner(context)
    return {"id": row["id"], "token": context.parameters.required("token"), "token_expires_at": None}


@route("DELETE", "/runners", "token system_id")
def unregister(context: Context) -> None:
    """A runner with an authentication token stays, as it was made by hand; only its manager goes."""
    _runner(context)


@route("POST", "/jobs/request", "*")
def request_job(context: Context) -> Any:
    """The next job of the runner's scope; 204 when there is none, after some waiting."""
    site, runner = context.site, _runner(context)
    asked = context.parameters.text("last_update") or ""
    if asked and asked == site.queue_version:
        site.wait_for_queue(asked, site.settings.polling_seconds)
    # Read before looking: a job that comes meanwhile changes it.
    version = site.queue_version
    found = context.db.row("select * from runners where id = ?", runner["id"])
    if found is None:
        raise forbidden()
    job = None if found["paused"] else _take(site, found)
    if job is None:
        return Response(status_code=204, headers={"X-GitLab-Last-Update": version})
    return payload.assign(site, job, found)


def _take(site: Site, runner: Row) -> Row | None:
    """Mark the oldest fitting job as this runner's."""
    with site.db.transaction():
        for job in site.db.rows("select * from jobs where status = 'pending' order by queued_at, id"):
            project = site.db.row("select * from projects where id = ?", job["project_id"])
            if project is None or not _fits(site, runner, job, project):
                continue
            now = clock.now()
            site.db.update("jobs", job["id"], status="running", runner_id=runner["id"], started_at=now)
            progress.advance(site, job["pipeline_id"])
            return site.db.row("select * from jobs where id = ?", job["id"])
    return None


def _fits(site: Site, runner: Row, job: Row, project: Row) -> bool:
    if not serves(site, runner, project):
        return False
    if runner["access_level"] == "ref_protected" and not job["protected"]:
        return False
    if not job["tag_list"] and not runner["run_untagged"]:
        return False
    if not set(job["tag_list"]) <= set(runner["tag_list"]):
        return False
    group = job["spec"].get("resource_group")
    if group:
        for other in site.db.rows("select * from jobs where status = 'running' and project_id = ?", project["id"]):
            if other["spec"].get("resource_group") == group:
                return False
    return True


def _job(context: Context, running: bool = True) -> Row:
    """The job of the path, by its token in header or parameter."""
    job_id = context.integer("job_id", "Job")
    token = context.request.headers.get("job-token") or context.parameters.text("token") or ""
    job = context.db.row("select * from jobs where id = ?", job_id)
    if job is None or job["digest"] != context.site.vault.digest(token):
        raise forbidden()
    if running and job["status"] not in {"running", "canceling"}:
        # This is how a runner learns that its job was cancelled.
        raise ApiError(403, {"message": "403 Forbidden  - Job is not running"}, {"Job-Status": job["status"]})
    return job


@route("PATCH", "/jobs/:job_id/trace", "*")
def append_trace(context: Context) -> Response:
    job = _job(context)
    match = re.fullmatch(r"(\d+)-(\d*)", context.request.headers.get("content-range", ""))
    if match is None:
        raise ApiError(400, {"error": "Missing header Content-Range"})
    settings = context.site.settings
    masked = payload.masked_values(context.site, job)
    total = traces.append(settings, job["id"], int(match.group(1)), context.body, masked)
    status = 202
    if total is None:
        status, total = 416, traces.size(settings, job["id"])
    headers = {"Job-Status": job["status"], "Range": f"0-{total}", "X-GitLab-Trace-Update-Interval": "3"}
    return Response(status_code=status, headers=headers)


@route("PUT", "/jobs/:job_id", "*")
def update_job(context: Context) -> Response:
    job, given = _job(context), context.parameters
    state = given.choice("state", ("pending", "running", "success", "failed"))
    if state == "success":
        progress.finish_job(context.site, job, "success", exit_code=0)
    elif state == "failed":
        reason = given.text("failure_reason") or "unknown_failure"
        progress.finish_job(context.site, job, "failed", reason, given.integer("exit_code"))
    return Response("200", 200, headers={"Job-Status": job["status"], "X-GitLab-Trace-Update-Interval": "3"})


@route("POST", "/jobs/:job_id/artifacts/authorize", "*", status=200)
def authorize_artifacts(context: Context) -> dict[str, Any]:
    _job(context)
    return {"ProcessLsif": False}


@route("POST", "/jobs/:job_id/artifacts", "*")
def upload_artifacts(context: Context) -> dict[str, Any]:
    job, given, site = _job(context), context.parameters, context.site
    upload = given.file("file")
    kind = given.choice("artifact_type", ("archive", *reports.KINDS), "archive") or "archive"
    form = given.choice("artifact_format", ("zip", "gzip", "raw"), "zip") or "zip"
    expires = language.seconds(given.text("expire_in") or "30 days")
    folder = site.settings.artifacts / str(job["id"])
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / kind
    with file.open("wb") as target:
        shutil.copyfileobj(upload.file, target)
    if kind == "dotenv":
        _keep_outputs(site, job, gzip.decompress(file.read_bytes()) if form == "gzip" else file.read_bytes())
    with context.db.transaction():
        context.db.execute("delete from artifacts where job_id = ? and file_type = ?", job["id"], kind)
        context.db.insert(
            "artifacts",
            job_id=job["id"],
            file_type=kind,
            file_format=form,
            filename=upload.filename or f"{kind}.{form}",
            size=file.stat().st_size,
            expire_at=clock.later(expires) if expires else None,
            created_at=clock.now(),
        )
    return {"message": "201 Created"}


def _keep_outputs(site: Site, job: Row, content: bytes) -> None:
    """Keep the variables of a dotenv report, and what they make of the environment's address."""
    found = {}
    for line in content.decode(errors="replace").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        key, separator, value = line.partition("=")
        if not separator or not re.fullmatch(r"[A-Za-z0-9_]+", key.strip()):
            raise ApiError(400, {"message": "Invalid Format"})
        found[key.strip()] = value
    site.db.update("jobs", job["id"], output_variables=site.vault.encrypt(json.dumps(found)))
    spec = job["spec"].get("environment") or {}
    if spec.get("url") and job["environment"]:
        project = site.db.row("select * from projects where id = ?", job["project_id"])
        pipeline = site.db.row("select * from pipelines where id = ?", job["pipeline_id"])
        assert project and pipeline
        known = payload.all_variables(site, project, pipeline, job, "")
        values = {variable.key: variable.value for variable in known} | found
        environments.set_url(site, job, variables.expand(str(spec["url"]), values))


@route("GET", "/jobs/:job_id/artifacts", "*")
def download_artifacts(context: Context) -> Response:
    """For the runner of a later job, by the token of the job that made them, or for a running job of the project."""
    try:
        job = _job(context, running=False)
    except ApiError:
        asking = accounts.authenticate_job(context.site, context.request.headers.get("job-token") or "").job
        job = context.db.row("select * from jobs where id = ?", context.integer("job_id", "Job")) or {}
        if not asking or not job or asking["project_id"] != job["project_id"]:
            raise
    return artifact_response(context.site, job, "archive")


def artifact_response(site: Site, job: Row, kind: str) -> Response:
    row = site.db.row("select * from artifacts where job_id = ? and file_type = ?", job["id"], kind)
    file = site.settings.artifacts / str(job["id"]) / kind
    if row is None or not file.exists():
        raise not_found()
    return FileResponse(file, filename=row["filename"], media_type="application/zip")


@route("GET", "/job", "job_token")
def own_job(context: Context) -> dict[str, Any]:
    """The job whose token asks."""
    token = context.request.headers.get("job-token") or context.parameters.text("job_token") or ""
    job = accounts.authenticate_job(context.site, token).job
    assert job is not None
    return show_job(context.site, job)
