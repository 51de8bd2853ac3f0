"""Pipelines: made from a push or a request, with the jobs that their configuration gives them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from gitlab_standin import branches, clock
from gitlab_standin.ci import environments, language, progress, variables
from gitlab_standin.database import Row
from gitlab_standin.kas import kubeconfig
from gitlab_standin.kas.access import AgentConfigurationError
from gitlab_standin.repository import ZERO
from gitlab_standin.site import PushedRef, Site

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


def start_on_push(site: Site) -> None:
    """From now on a push starts a pipeline."""
    site.on_push.append(lambda ref: _push(site, ref))


def _push(site: Site, ref: PushedRef) -> None:
    """Make the pipeline of a push, and its jobs in the background; a push without a configuration has none."""
    source = Source("push", ref.name, ref.is_tag, ref.sha, ref.before, ref.skip_ci, ref.variables)
    try:
        pipeline = _begin(site, ref.project_id, ref.user, source)
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
    progress.advance(site, pipeline["id"])
    return progress.get_pipeline(site, pipeline["id"])


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
    return progress.get_pipeline(site, made)


def _finish_without_jobs(site: Site, pipeline: Row, status: str, errors: str | None = None) -> Row:
    now = clock.now()
    site.db.update("pipelines", pipeline["id"], status=status, yaml_errors=errors, updated_at=now, finished_at=now)
    return progress.get_pipeline(site, pipeline["id"])


def _evaluate(site: Site, project: Row, pipeline: Row, file: str) -> language.Configuration:
    """Read the configuration as this pipeline sees it."""
    protected = not pipeline["tag"] and branches.is_protected(site, project, pipeline["ref"])
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
    protected = not pipeline["tag"] and branches.is_protected(site, project, pipeline["ref"])
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
