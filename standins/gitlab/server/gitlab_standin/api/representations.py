"""What several resources show: a user, a commit, a runner, a pipeline, a job.

Owns how the API writes them, as GitLab's entities do (lib/api/entities); who may see what is the resources' matter.
"""

from __future__ import annotations

from typing import Any

from gitlab_standin import accounts, clock
from gitlab_standin.database import Row
from gitlab_standin.site import Site

_ONLINE_SECONDS = 2 * 3600
"""How long a runner that has not been heard of counts as online."""


def show_user(site: Site, user: Row) -> dict[str, Any]:
    return {
        "id": user["id"],
        "username": user["username"],
        "name": user["name"],
        "state": user["state"],
        "locked": False,
        "avatar_url": None,
        "web_url": f"{site.settings.url}/{user['username']}",
        "created_at": user["created_at"],
        "bot": bool(user["bot"]),
    }


def show_commit(site: Site, project: Row, sha: str) -> dict[str, Any]:
    form = "%H%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B"
    fields = site.repositories.git(project["id"], "show", "--no-patch", f"--format={form}", sha).decode(
        errors="replace"
    )
    commit, parents, name, email, authored, committer, committer_email, committed, message = fields.split("\0", 8)
    message = message.rstrip("\n")
    return {
        "id": commit,
        "short_id": commit[:8],
        "created_at": committed,
        "parent_ids": parents.split(),
        "title": message.split("\n", 1)[0],
        "message": message,
        "author_name": name,
        "author_email": email,
        "authored_date": authored,
        "committer_name": committer,
        "committer_email": committer_email,
        "committed_date": committed,
        "trailers": {},
        "extended_trailers": {},
        "web_url": f"{site.settings.url}/{project['full_path']}/-/commit/{commit}",
    }


def runner_status(row: Row) -> str:
    if row["contacted_at"] is None:
        return "never_contacted"
    idle = clock.seconds_between(row["contacted_at"], None) or 0
    return "online" if idle < _ONLINE_SECONDS else "offline"


def show_runner(site: Site, row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "description": row["description"],
        "ip_address": row["ip_address"],
        "active": not row["paused"],
        "paused": bool(row["paused"]),
        "is_shared": row["runner_type"] == "instance_type",
        "runner_type": row["runner_type"],
        "name": "gitlab-runner" if row["version"] else None,
        "online": None if row["contacted_at"] is None else runner_status(row) == "online",
        "status": runner_status(row),
        "created_at": row["created_at"],
        "created_by": None,
        "job_execution_status": "active"
        if site.db.row("select 1 from jobs where runner_id = ? and status = 'running'", row["id"])
        else "idle",
    }


def _project_path(site: Site, project_id: int) -> str:
    row = site.db.row("select full_path from projects where id = ?", project_id)
    return str(row["full_path"]) if row else ""


def show_pipeline_briefly(site: Site, row: Row) -> dict[str, Any]:
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
        **show_pipeline_briefly(site, row),
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
        "pipeline": show_pipeline_briefly(site, pipeline),
        "web_url": f"{site.settings.url}/{project['full_path']}/-/jobs/{row['id']}",
        "project": {"ci_job_token_scope_enabled": False},
        "artifacts": artifacts,
        **({"artifacts_file": {"filename": archive["filename"], "size": archive["size"]}} if archive else {}),
        "runner": show_runner(site, runner) if runner else None,
        "artifacts_expire_at": archive["expire_at"] if archive else None,
        "tag_list": row["tag_list"],
        "archived": False,
    }
