"""A job as GitLab hands it out, typed. What this stand-in cannot perform is refused by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .logs import RunnerError
from .variables import Variable


@dataclass(frozen=True)
class Image:
    """The image of the job or of a service."""

    name: str
    alias: str = ""
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] = ()
    pull_policy: tuple[str, ...] = ()
    user: str = ""
    platform: str = ""
    variables: tuple[Variable, ...] = ()


@dataclass(frozen=True)
class Step:
    """A script: the job's own, or what runs after it."""

    name: str
    script: tuple[str, ...]
    timeout: int = 0
    when: str = "on_success"
    allow_failure: bool = False


@dataclass(frozen=True)
class Artifact:
    """Files that are kept with the job."""

    paths: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    name: str = ""
    untracked: bool = False
    when: str = "on_success"
    expire_in: str = ""
    type: str = "archive"
    format: str = "zip"


@dataclass(frozen=True)
class Cache:
    """Files that the next job with the same key gets."""

    key: str
    paths: tuple[str, ...] = ()
    untracked: bool = False
    policy: str = "pull-push"
    when: str = "on_success"
    fallback_keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dependency:
    """An earlier job whose artifacts this one gets."""

    id: int
    name: str
    token: str = field(repr=False)


@dataclass(frozen=True)
class Credentials:
    """A login at a container registry."""

    url: str
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Job:
    """Everything that is needed to run a job."""

    id: int
    token: str = field(repr=False)
    name: str
    stage: str
    project_id: int
    project_path: str
    repo_url: str = field(repr=False)
    ref: str
    ref_type: str
    sha: str
    depth: int
    refspecs: tuple[str, ...]
    timeout: int
    variables: tuple[Variable, ...] = field(repr=False)
    steps: tuple[Step, ...]
    image: Image | None
    services: tuple[Image, ...]
    artifacts: tuple[Artifact, ...]
    caches: tuple[Cache, ...]
    dependencies: tuple[Dependency, ...]
    credentials: tuple[Credentials, ...] = field(repr=False)
    pre_get_sources: tuple[str, ...] = ()

    @property
    def secrets(self) -> list[str]:
        """What must never be shown, beside the masked variables."""
        return [self.token, *(d.token for d in self.dependencies), *(c.password for c in self.credentials)]


def parse(payload: dict[str, Any]) -> Job:
    """The job of an answer to a request; a RunnerError names what is missing or cannot be performed."""
    for key in ("run", "secrets"):
        if payload.get(key):
            raise RunnerError(f"the job uses `{key}`, which this stand-in of GitLab Runner does not support")
    try:
        info, git = payload["job_info"], payload["git_info"]
        variables = tuple(_variable(each) for each in payload.get("variables") or ())
        by_key = {each.key: each.value for each in variables}
        hooks = {hook["name"]: tuple(hook["script"]) for hook in payload.get("hooks") or ()}
        if unknown := set(hooks) - {"pre_get_sources_script"}:
            raise RunnerError(f"the job uses the hooks {sorted(unknown)}, which this stand-in does not support")
        return Job(
            id=int(payload["id"]),
            token=payload["token"],
            name=info["name"],
            stage=info["stage"],
            project_id=int(info["project_id"]),
            project_path=info.get("project_full_path") or by_key.get("CI_PROJECT_PATH") or info["project_name"],
            repo_url=git["repo_url"],
            ref=git["ref"],
            ref_type=git.get("ref_type") or "branch",
            sha=git["sha"],
            depth=int(git.get("depth") or 0),
            refspecs=tuple(git.get("refspecs") or ()),
            timeout=int((payload.get("runner_info") or {}).get("timeout") or info.get("timeout") or 3600),
            variables=variables,
            steps=tuple(_step(each) for each in payload["steps"]),
            image=_image(payload["image"]) if (payload.get("image") or {}).get("name") else None,
            services=tuple(_image(each) for each in payload.get("services") or ()),
            artifacts=tuple(_artifact(each) for each in payload.get("artifacts") or ()),
            caches=tuple(_cache(each) for each in payload.get("cache") or () if each.get("key")),
            dependencies=tuple(
                Dependency(int(each["id"]), each["name"], each["token"])
                for each in payload.get("dependencies") or ()
                if (each.get("artifacts_file") or {}).get("filename")
            ),
            credentials=tuple(
                Credentials(each["url"], each["username"], each["password"])
                for each in payload.get("credentials") or ()
                if each.get("type") == "registry"
            ),
            pre_get_sources=hooks.get("pre_get_sources_script", ()),
        )
    except (KeyError, TypeError, ValueError) as problem:
        raise RunnerError(f"the server's job lacks what a runner needs: {problem!r}") from problem


def _variable(each: dict[str, Any]) -> Variable:
    flags = {flag: bool(each.get(flag)) for flag in ("public", "masked", "file", "raw")}
    value = each.get("value")
    return Variable(each["key"], "" if value is None else str(value), **flags)


def _step(each: dict[str, Any]) -> Step:
    return Step(
        each["name"],
        tuple(each.get("script") or ()),
        int(each.get("timeout") or 0),
        each.get("when") or "on_success",
        bool(each.get("allow_failure")),
    )


def _image(each: dict[str, Any]) -> Image:
    docker = (each.get("executor_opts") or {}).get("docker") or {}
    entrypoint = each.get("entrypoint")
    return Image(
        each["name"],
        each.get("alias") or "",
        None if entrypoint is None else tuple(entrypoint),
        tuple(each.get("command") or ()),
        tuple(each.get("pull_policy") or ()),
        str(docker.get("user") or ""),
        docker.get("platform") or "",
        tuple(_variable(variable) for variable in each.get("variables") or ()),
    )


def _artifact(each: dict[str, Any]) -> Artifact:
    return Artifact(
        tuple(each.get("paths") or ()),
        tuple(each.get("exclude") or ()),
        each.get("name") or "",
        bool(each.get("untracked")),
        each.get("when") or "on_success",
        str(each.get("expire_in") or ""),
        each.get("artifact_type") or "archive",
        each.get("artifact_format") or "zip",
    )


def _cache(each: dict[str, Any]) -> Cache:
    return Cache(
        each["key"],
        tuple(each.get("paths") or ()),
        bool(each.get("untracked")),
        each.get("policy") or "pull-push",
        each.get("when") or "on_success",
        tuple(each.get("fallback_keys") or ()),
    )
