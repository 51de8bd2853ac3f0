"""How a pipeline goes on: the next status of its jobs and its own; retrying, cancelling, ending what takes too long."""

from __future__ import annotations

from typing import Any

from gitlab_standin import clock
from gitlab_standin.ci import environments, variables
from gitlab_standin.database import Row
from gitlab_standin.repository import GitError
from gitlab_standin.site import Site

DONE = {"success", "failed", "canceled", "skipped"}
ALIVE = {"created", "pending", "running", "waiting_for_resource", "preparing", "canceling"}


def get_pipeline(site: Site, pipeline_id: int) -> Row:
    found = site.db.row("select * from pipelines where id = ?", pipeline_id)
    assert found is not None
    return found


def current_jobs(site: Site, pipeline_id: int) -> list[Row]:
    """The pipeline's jobs in order, without those that were tried again."""
    return site.db.rows(
        "select * from jobs where pipeline_id = ? and retried = 0 order by stage_index, id", pipeline_id
    )


def advance(site: Site, pipeline_id: int) -> None:
    """Let every job go on that can, and bring the pipeline's status up to date."""
    with site.db.transaction():
        changed = True
        while changed:
            changed = False
            jobs = current_jobs(site, pipeline_id)
            for job in jobs:
                if job["status"] == "created":
                    status = _next_status(job, jobs)
                    if status is not None:
                        values: dict[str, Any] = {"status": status}
                        if status == "pending":
                            values["queued_at"] = clock.now()
                        if status == "skipped":
                            values["finished_at"] = clock.now()
                        site.db.update("jobs", job["id"], **values)
                        changed = True
                        break
        _update_status(site, pipeline_id)
    site.queue_changed()


def _next_status(job: Row, jobs: list[Row]) -> str | None:
    """What a created job becomes, or None while it has to wait."""
    if job["needs"] is not None:
        names = {need["job"] for need in job["needs"]}
        before = [other for other in jobs if other["name"] in names]
    else:
        before = [other for other in jobs if other["stage_index"] < job["stage_index"]]
    if any(not _settled(other) for other in before):
        return None
    failed = any(other["status"] in {"failed", "canceled"} and not _forgiven(other) for other in before)
    # Without needs, a stage that was skipped because an earlier one failed has that failure before it as well.
    lost = job["needs"] is not None and any(other["status"] == "skipped" for other in before)
    match job["condition"]:
        case "always":
            return "pending"
        case "on_failure":
            return "pending" if any(other["status"] == "failed" for other in before) else "skipped"
        case "manual":
            return "skipped" if failed or lost else "manual"
    return "skipped" if failed or lost else "pending"


def _settled(job: Row) -> bool:
    """Whether those after it need not wait for a job any more; an optional manual one holds nobody up."""
    return job["status"] in DONE or (job["status"] == "manual" and bool(job["allow_failure"]))


def _forgiven(job: Row) -> bool:
    if job["allow_failure"]:
        return True
    return job["status"] == "failed" and job["exit_code"] in (job["spec"].get("allow_failure_codes") or [])


def status_of(jobs: list[Row]) -> str:
    """The status of several jobs together: of a pipeline, or of a stage."""
    found = set()
    for job in jobs:
        status = job["status"]
        if status in {"failed", "canceled"} and _forgiven(job):
            status = "success"
        elif status == "manual" and job["allow_failure"]:
            status = "skipped"
        found.add(status)
    for status in ("canceling", "running"):
        if status in found:
            return status
    if "pending" in found:
        return "pending" if found <= {"pending", "created", "skipped"} else "running"
    if "manual" in found:
        return "manual"
    if "created" in found:
        return "created" if found == {"created"} else "running"
    for status in ("failed", "canceled", "success"):
        if status in found:
            return status
    return "skipped"


def _update_status(site: Site, pipeline_id: int) -> None:
    pipeline = get_pipeline(site, pipeline_id)
    jobs = current_jobs(site, pipeline_id)
    status = status_of(jobs)
    now = clock.now()
    values: dict[str, Any] = {"status": status}
    if any(job["started_at"] for job in jobs) and pipeline["started_at"] is None:
        values["started_at"] = now
    finished = status in DONE
    if finished and pipeline["finished_at"] is None:
        values["finished_at"] = now
    elif not finished:
        values["finished_at"] = None
    if status != pipeline["status"]:
        values["updated_at"] = now
        if finished:
            try:
                site.repositories.git(pipeline["project_id"], "update-ref", "-d", f"refs/pipelines/{pipeline_id}")
            except GitError as error:
                print(f"{now} pipeline {pipeline_id}: {error}", flush=True)
    site.db.update("pipelines", pipeline_id, **values)


def finish_job(site: Site, job: Row, status: str, reason: str | None = None, exit_code: int | None = None) -> None:
    """End a job; a failed one is tried again as often as its configuration says."""
    with site.db.transaction():
        site.db.update(
            "jobs",
            job["id"],
            status=status,
            failure_reason=reason if status == "failed" else None,
            exit_code=exit_code,
            finished_at=clock.now(),
        )
        ended = site.db.row("select * from jobs where id = ?", job["id"])
        assert ended is not None
        environments.job_ended(site, ended)
        if status == "failed":
            tries = site.db.number(
                "select count(*) from jobs where pipeline_id = ? and name = ?", job["pipeline_id"], job["name"]
            )
            if tries <= int(job["spec"].get("retry") or 0):
                retry_job(site, ended)
    advance(site, job["pipeline_id"])


def retry_job(site: Site, job: Row, condition: str | None = None) -> Row:
    """Put a new job in the place of one that ended. The caller advances the pipeline."""
    kept = (
        "pipeline_id project_id name stage stage_index allow_failure needs dependencies spec tag_list environment "
        "protected user_id"
    ).split()
    with site.db.transaction():
        site.db.update("jobs", job["id"], retried=1)
        made = site.db.insert(
            "jobs",
            status="pending",
            condition=condition or job["condition"],
            created_at=clock.now(),
            queued_at=clock.now(),
            **{name: job[name] for name in kept},
        )
        # What had been skipped because of it gets its chance again.
        for other in current_jobs(site, job["pipeline_id"]):
            if other["stage_index"] >= job["stage_index"] and other["status"] == "skipped":
                site.db.update("jobs", other["id"], status="created", finished_at=None)
        site.repositories.git(
            job["project_id"],
            "update-ref",
            f"refs/pipelines/{job['pipeline_id']}",
            get_pipeline(site, job["pipeline_id"])["sha"],
        )
    found = site.db.row("select * from jobs where id = ?", made)
    assert found is not None
    return found


def cancel(site: Site, jobs: list[Row]) -> None:
    """Cancel what has not ended. Runners learn of it with their next piece of log."""
    for job in jobs:
        if job["status"] in ALIVE | {"manual"}:
            finish_job(site, job, "canceled")


def fail_overdue_jobs(site: Site) -> None:
    """Fail jobs that run longer than they may: their runner is gone, or did not end them."""
    for job in site.db.rows("select * from jobs where status = 'running'"):
        project = site.db.row("select * from projects where id = ?", job["project_id"])
        if project is None:
            continue
        overdue = (clock.seconds_between(job["started_at"], None) or 0) - variables.timeout(project, job)
        if overdue > 300:
            finish_job(site, job, "failed", "stuck_or_timeout_failure")
