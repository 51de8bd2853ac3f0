"""Environments and deployments, as jobs make them."""

from __future__ import annotations

from typing import Any

from gitlab_standin import clock
from gitlab_standin.ci.variables import environment_slug, tier
from gitlab_standin.database import Row
from gitlab_standin.site import Site


def ensure(site: Site, project: Row, name: str, spec: dict[str, Any]) -> int:
    """The environment of that name, made if it is not there. Returns its id."""
    found = site.db.row("select * from environments where project_id = ? and name = ?", project["id"], name)
    if found is not None:
        if spec.get("on_stop") and found["on_stop"] != spec["on_stop"]:
            site.db.update("environments", found["id"], on_stop=spec["on_stop"])
        return int(found["id"])
    now = clock.now()
    return site.db.insert(
        "environments",
        project_id=project["id"],
        name=name,
        slug=environment_slug(name),
        state="available",
        tier=tier(name, spec.get("deployment_tier")),
        on_stop=spec.get("on_stop"),
        created_at=now,
        updated_at=now,
    )


def job_started(site: Site, job: Row, pipeline: Row, url: str | None) -> None:
    """Note the deployment that a job begins."""
    spec = job["spec"].get("environment")
    if not job["environment"] or not spec:
        return
    environment = site.db.row(
        "select * from environments where project_id = ? and name = ?", job["project_id"], job["environment"]
    )
    if environment is None or (spec.get("action") or "start") != "start":
        return
    now = clock.now()
    with site.db.transaction():
        iid = site.db.number("select max(iid) from deployments where project_id = ?", job["project_id"]) + 1
        site.db.insert(
            "deployments",
            iid=iid,
            project_id=job["project_id"],
            environment_id=environment["id"],
            job_id=job["id"],
            ref=pipeline["ref"],
            sha=pipeline["sha"],
            status="running",
            user_id=job["user_id"],
            created_at=now,
            updated_at=now,
        )
        if url:
            site.db.update("environments", environment["id"], external_url=url, updated_at=now)


def job_ended(site: Site, job: Row) -> None:
    """Note how the deployment ended; a job that stops its environment leaves it stopped."""
    spec = job["spec"].get("environment")
    if not job["environment"] or not spec:
        return
    now = clock.now()
    site.db.execute(
        "update deployments set status = ?, updated_at = ? where job_id = ? and status = 'running'",
        job["status"],
        now,
        job["id"],
    )
    if job["status"] == "success" and spec.get("action") in {None, "start", "stop"}:
        state = "stopped" if spec.get("action") == "stop" else "available"
        site.db.execute(
            "update environments set state = ?, updated_at = ? where project_id = ? and name = ?",
            state,
            now,
            job["project_id"],
            job["environment"],
        )


def set_url(site: Site, job: Row, url: str) -> None:
    """Keep the address that a job's own variables gave its environment."""
    site.db.execute(
        "update environments set external_url = ? where project_id = ? and name = ?",
        url,
        job["project_id"],
        job["environment"],
    )
