"""Pipelines: made from a push or a request, advanced as their jobs end."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from gitlab_standin import clock, pushes
from gitlab_standin.ci import environments, language, variables
from gitlab_standin.database import Row
from gitlab_standin.kas import kubeconfig
from gitlab_standin.kas.access import AgentConfigurationError
from gitlab_standin.repository import ZERO, GitError
from gitlab_standin.site import Site

DONE = {"success", "failed", "canceled", "skipped"}
ALIVE = {"created", "pending", "running", "waiting_for_resource", "preparing", "canceling"}
_AUTO_DEVOPS = "include:\n  - template: Auto-DevOps.gitlab-ci.yml\n"
_AUTO_DEVOPS_FILE = ".auto-devops.gitlab-ci.yml"


@dataclass(frozen=True)
class Source:
    """What a pipeline is about. `skip` is the push option ci.skip."""

    kind: str
    ref: str
    tag: bool
    sha: str
    before: str = ZERO
    skip: bool = False
    variables: list[dict[str, str]] = field(default_factory=list)


class NoPipeline(Exception):
    """Why there is no pipeline, in GitLab's words. Pushes ignore it, requests show it."""


def push(site: Site, project_id: int, user: Row | None, source: Source) -> None:
    """Make the pipeline of a push, and its jobs in the background; a push without a configuration has none."""
    try:
        pipeline = _begin(site, project_id, user, source)
    except NoPipeline:
        return
    if pipeline["status"] == "created":
        site.later(lambda: _fill_for_push(site, pipeline))


def request(site: Site, project_id: int, user: Row | None, source: Source) -> Row:
    """Make a pipeline. A configuration that can't be used makes one that failed. Raises NoPipeline."""
    return _fill(site, _begin(site, project_id, user, source))


def resume(site: Site) -> None:
    """Go on with pipelines whose jobs had not been made when GitLab stopped."""
    for pipeline in site.db.rows(
        "select * from pipelines where status = 'created' and id not in (select pipeline_id from jobs)"
    ):
        site.later(lambda pipeline=pipeline: _fill_for_push(site, pipeline))  # type: ignore[misc]


def _begin(site: Site, project_id: int, user: Row | None, source: Source) -> Row:
    """Make a pipeline without jobs. Raises NoPipeline where there can't be one."""
    project = site.db.row("select * from projects where id = ?", project_id)
    if project is None:
        raise NoPipeline("Project not found")
    kept = project["attributes"]
    if kept.get("builds_access_level") == "disabled" or kept.get("jobs_enabled") is False:
        raise NoPipeline("Pipelines are disabled!")
    if _configuration_file(site, project, source.sha) is None:
        raise NoPipeline("Missing CI config file")
    pipeline = _insert(site, project, user, source)
    shown = site.repositories.git(project_id, "show", "--no-patch", "--format=%B", source.sha)
    asked_to_skip = any(mark in shown.decode(errors="replace").lower() for mark in ("[skip ci]", "[ci skip]"))
    if source.skip or (asked_to_skip and source.kind == "push"):
        return _finish_without_jobs(site, pipeline, "skipped")
    return pipeline


def _fill_for_push(site: Site, pipeline: Row) -> None:
    try:
        _fill(site, pipeline)
    except NoPipeline:
        return
    except Exception as error:
        # Nobody waits for an answer: the pipeline itself has to tell.
        _finish_without_jobs(site, pipeline, "failed", f"the lab's GitLab failed to make the jobs: {error}")
        raise


def _fill(site: Site, pipeline: Row) -> Row:
    """Make a pipeline's jobs. Raises NoPipeline, with the pipeline gone, where the rules leave none."""
    project = site.db.row("select * from projects where id = ?", pipeline["project_id"])
    file = _configuration_file(site, project, pipeline["sha"]) if project else None
    if project is None or file is None:
        raise NoPipeline("Project not found")
    try:
        configuration = _evaluate(site, project, pipeline, file)
        if configuration.jobs:
            with site.db.transaction():
                _insert_jobs(site, project, pipeline, configuration)
    except language.LanguageError as error:
        return _finish_without_jobs(site, pipeline, "failed", str(error))
    if not configuration.jobs:
        site.db.execute("delete from pipelines where id = ?", pipeline["id"])
        raise NoPipeline(
            "The resulting pipeline would have been empty. Review the rules configuration for the relevant jobs."
        )
    site.repositories.git(project["id"], "update-ref", f"refs/pipelines/{pipeline['id']}", pipeline["sha"])
    advance(site, pipeline["id"])
    return _pipeline(site, pipeline["id"])


def _configuration_file(site: Site, project: Row, sha: str) -> str | None:
    """The configuration's path in the checkout; Auto DevOps' where the repository has none."""
    file = project["attributes"].get("ci_config_path") or ".gitlab-ci.yml"
    if site.repositories.read(project["id"], sha, file) is not None:
        return str(file)
    if project["attributes"].get("auto_devops_enabled", True):
        return _AUTO_DEVOPS_FILE
    return None


def _insert(site: Site, project: Row, user: Row | None, source: Source) -> Row:
    now = clock.now()
    with site.db.transaction():
        iid = site.db.number("select max(iid) from pipelines where project_id = ?", project["id"]) + 1
        sealed = site.vault.encrypt(json.dumps(source.variables)) if source.variables else None
        made = site.db.insert(
            "pipelines",
            iid=iid,
            project_id=project["id"],
            ref=source.ref,
            tag=int(source.tag),
            sha=source.sha,
            before_sha=source.before,
            source=source.kind,
            status="created",
            user_id=user["id"] if user else None,
            variables=sealed,
            created_at=now,
            updated_at=now,
        )
    return _pipeline(site, made)


def _finish_without_jobs(site: Site, pipeline: Row, status: str, errors: str | None = None) -> Row:
    now = clock.now()
    site.db.update("pipelines", pipeline["id"], status=status, yaml_errors=errors, updated_at=now, finished_at=now)
    return _pipeline(site, pipeline["id"])


def _evaluate(site: Site, project: Row, pipeline: Row, file: str) -> language.Configuration:
    """Read the configuration as this pipeline sees it."""
    protected = not pipeline["tag"] and pushes.is_protected(site, project, pipeline["ref"])
    known = variables.of_pipeline(site, project, pipeline)
    given = variables.given_with_pipeline(site, pipeline)

    def variables_for(environment: str | None) -> dict[str, str]:
        try:
            agents = kubeconfig.of_job(site, project, environment, protected, "")
        except AgentConfigurationError as error:
            raise language.LanguageError(str(error)) from None
        everything = known + agents + variables.stored(site, project, protected, environment) + given
        return {variable.key: variable.value for variable in everything}

    before = pipeline["before_sha"]
    names = {variable.key for variable in known}
    situation = language.Situation(
        variables_for,
        before if before != ZERO and site.repositories.resolve(project["id"], before) else None,
        tuple(name for name in ("CI_COMMIT_TAG", "CI_COMMIT_BRANCH") if name not in names),
        f"{site.settings.url}/{project['full_path']}.git",
    )
    with site.repositories.checkout(project["id"], pipeline["sha"]) as source:
        if file == _AUTO_DEVOPS_FILE:
            (source / file).write_text(_AUTO_DEVOPS)
        return language.evaluate(site.settings, source, file, situation)


def _insert_jobs(site: Site, project: Row, pipeline: Row, configuration: language.Configuration) -> None:
    names = {job.name for job in configuration.jobs}
    protected = not pipeline["tag"] and pushes.is_protected(site, project, pipeline["ref"])
    known = variables.of_pipeline(site, project, pipeline)
    ordered = sorted(configuration.jobs, key=lambda job: configuration.stages.index(job.stage))
    for job in ordered:
        needs = job.needs
        for need in needs or []:
            if need["job"] not in names and not need.get("optional"):
                raise language.LanguageError(
                    f"'{job.name}' job needs '{need['job']}' job, but '{need['job']}' does not exist in the pipeline"
                )
        spec = {**job.spec, "variables": job.variables, "allow_failure_codes": job.allow_failure_codes}
        environment = _environment(site, project, protected, known, job)
        site.db.insert(
            "jobs",
            pipeline_id=pipeline["id"],
            project_id=project["id"],
            name=job.name,
            stage=job.stage,
            stage_index=configuration.stages.index(job.stage),
            status="created",
            condition=job.condition,
            allow_failure=int(job.allow_failure),
            needs=None if needs is None else [need for need in needs if need["job"] in names],
            dependencies=job.dependencies,
            spec=spec,
            tag_list=job.tags,
            environment=environment,
            protected=int(protected),
            user_id=pipeline["user_id"],
            created_at=clock.now(),
        )
        if environment:
            environments.ensure(site, project, environment, spec["environment"])


def _environment(
    site: Site, project: Row, protected: bool, known: list[variables.Variable], job: language.Job
) -> str | None:
    """The name of a job's environment, its variables replaced."""
    environment = job.spec.get("environment")
    if not environment:
        return None
    own = [variables.Variable(key, value) for key, value in job.variables.items()]
    everything = variables.expand_all(known + own + variables.stored(site, project, protected, None))
    return variables.expand(str(environment["name"]), {variable.key: variable.value for variable in everything})


def _pipeline(site: Site, pipeline_id: int) -> Row:
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
    pipeline = _pipeline(site, pipeline_id)
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
            _pipeline(site, job["pipeline_id"])["sha"],
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
