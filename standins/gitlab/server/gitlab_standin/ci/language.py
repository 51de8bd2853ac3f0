"""The CI language, read by gitlab-ci-local: what a .gitlab-ci.yml says in a given situation.

gitlab-ci-local resolves includes, extends, references and rules, and checks the result against GitLab's schema. It
lists the jobs, but not which rule matched; a second run, on its own result with the rules numbered, tells that.
"""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from gitlab_standin.ci import parallel, policies, reports
from gitlab_standin.settings import Settings

_STATE = ".gitlab-ci-local"
_TEMPLATES = f"{_STATE}/includes/gitlab.com/gitlab-org/gitlab/-/raw/HEAD/lib/gitlab/ci/templates"
_WORKFLOW = "workflow-of-the-pipeline"

_JOB_KEYS = set(
    "script before_script after_script image services stage variables rules needs dependencies artifacts cache tags "
    "when allow_failure environment timeout retry interruptible inherit resource_group only except parallel".split()
)
_TOP_KEYS = {"stages", "variables", "default", "workflow", "include"}
_WORKFLOW_KEYS = {"rules", "name"}
_INHERITED = ("tags", "timeout", "retry", "interruptible")
_DEFAULT_KEYS = {*_INHERITED, "image", "services", "before_script", "after_script", "cache", "artifacts"}
_ENVIRONMENT_KEYS = {"name", "url", "on_stop", "action", "deployment_tier"}
_ARTIFACT_KEYS = {"paths", "exclude", "expire_in", "name", "when", "untracked", "reports"}

# Of the answers, these say the same thing about every file.
_NOISE = re.compile(r"\x1b\[[0-9;]*m")


class LanguageError(ValueError):
    """A configuration that GitLab would refuse, or that the stand-in does not support."""


@dataclass
class Job:
    """One job as the pipeline gets it. `needs` and `dependencies` None mean: everything of earlier stages."""

    name: str
    stage: str
    condition: str
    allow_failure: bool
    allow_failure_codes: list[int]
    needs: list[dict[str, Any]] | None
    dependencies: list[str] | None
    tags: list[str]
    variables: dict[str, str]
    spec: dict[str, Any] = field(default_factory=dict)


@dataclass
class Configuration:
    """What a pipeline is made from; without jobs, there is no pipeline."""

    stages: list[str]
    variables: dict[str, str]
    jobs: list[Job]


@dataclass(frozen=True)
class Situation:
    """What rules depend on.

    `variables_for` gives the variables that a job sees, by its environment's name (None for jobs without one).
    `changed_since` is the commit that `changes:` compares with; None makes every `changes:` true, as GitLab does for a
    new branch.
    """

    variables_for: Callable[[str | None], dict[str, str]]
    changed_since: str | None
    unset: tuple[str, ...]
    remote: str


def evaluate(settings: Settings, source: Path, file: str, situation: Situation) -> Configuration:
    """Read the configuration in a checkout. Raises LanguageError."""
    _prepare(settings, source, situation)
    listed = _run(settings, source, file, situation, None, check_schema=True)
    expanded = yaml.safe_load((source / _STATE / "expanded-gitlab-ci.yml").read_text()) or {}
    _check_supported(expanded)
    retold = _retell(expanded, situation)
    jobs = _jobs(expanded)
    matched = _matched_rules(settings, source, expanded, jobs, situation, None if retold else listed)
    workflow = matched.pop(_WORKFLOW, None)
    if workflow is not None and workflow["when"] == "never":
        return Configuration(expanded["stages"], {}, [])
    return Configuration(
        expanded["stages"],
        _texts(expanded.get("variables")),
        [
            _job(name, data, matched[name], expanded)
            for name, data in jobs.items()
            if name in matched and matched[name]["when"] != "never"
        ],
    )


def _retell(expanded: dict[str, Any], situation: Situation) -> bool:
    """Says by what gitlab-ci-local knows what it doesn't; whether there was any."""
    try:
        several = parallel.expand(expanded, _jobs(expanded))
        return policies.to_rules(_jobs(expanded), situation.variables_for(None)) or several
    except (parallel.ParallelError, policies.PolicyError) as error:
        raise LanguageError(str(error)) from None


def _prepare(settings: Settings, source: Path, situation: Situation) -> None:
    """Put templates where gitlab-ci-local keeps downloaded ones, and tell git what it asks about."""
    for file in source.glob(f"{_STATE}*"):
        # What configures gitlab-ci-local on a developer's machine means nothing to GitLab.
        if file.is_dir() and not file.is_symlink():
            shutil.rmtree(file)
        else:
            file.unlink()
    place = source / _TEMPLATES
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(settings.templates)
    git = ["git", "-C", str(source)]
    subprocess.run([*git, "remote", "set-url", "origin", situation.remote], check=True)
    subprocess.run([*git, "config", "user.name", "ci"], check=True)
    subprocess.run([*git, "config", "user.email", "ci@localhost"], check=True)
    if situation.changed_since:
        subprocess.run([*git, "update-ref", "refs/remotes/origin/before", situation.changed_since], check=True)
        subprocess.run([*git, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/before"], check=True)


def _run(
    settings: Settings, source: Path, file: str, situation: Situation, environment: str | None, check_schema: bool
) -> dict[str, dict[str, Any]]:
    """Run gitlab-ci-local once; returns its list of jobs by name."""
    variables = situation.variables_for(environment)
    # A file: values on a command line could be read by others on the machine. JSON is YAML.
    values = source.parent / "variables.yml"
    values.touch(mode=0o600)
    values.write_text(json.dumps({key: {"type": "variable", "values": {"*": text}} for key, text in variables.items()}))
    command = [str(settings.node), str(settings.ci_local), "--list-json", f"--file={file}"]
    command += ["--variables-file=../variables.yml", f"--state-dir={_STATE}", f"--home={source.parent}"]
    command += [f"--json-schema-validation={str(check_schema).lower()}"]
    command += [f"--evaluate-rule-changes={str(situation.changed_since is not None).lower()}"]
    command += [f"--unset-variable={name}" for name in situation.unset]
    # That predefined ones are given is no mistake here.
    command.append(f"--ignore-predefined-vars={','.join(variables)}")
    done = subprocess.run(
        command,
        cwd=source,
        # What would be downloaded must come from the installation; the proxy that isn't there makes sure.
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(source.parent),
            "NO_COLOR": "1",
            # Node's own cache of compiled modules (node:module, since 22.1): a fifth of a run's processor time.
            "NODE_COMPILE_CACHE": str(settings.run / "node-compile-cache"),
            **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    start = re.search(r"^\[(?:\]|$)", done.stdout, re.MULTILINE)
    if done.returncode or start is None:
        raise LanguageError(_reason(done.stdout + done.stderr, source))
    found = json.loads(done.stdout[start.start() :])
    return {job["name"]: job for job in found}


def _reason(output: str, source: Path) -> str:
    """The lines of an error that are about the configuration."""
    lines = [line.rstrip() for line in _NOISE.sub("", output).replace(f"{source}/", "").splitlines()]
    kept = [
        line
        for line in lines
        if line.strip() and not line.lstrip().startswith(("at ", "For further", "• Copy", "• Use", "parsing and"))
    ]
    return "\n".join(kept).strip() or "the CI configuration could not be read"


def _check_supported(expanded: dict[str, Any]) -> None:
    """Raises LanguageError naming everything that would have an effect in GitLab and has none here."""
    problems = []
    for name in ("pages",):
        if name in expanded:
            problems.append(f"the job {name} (GitLab Pages)")
    workflow = expanded.get("workflow") or {}
    problems += [f"workflow:{key}" for key in sorted(workflow.keys() - _WORKFLOW_KEYS)]
    problems += [f"default:{key}" for key in sorted((expanded.get("default") or {}).keys() - _DEFAULT_KEYS)]
    for name, data in _jobs(expanded).items():
        problems += [f"jobs:{name}:{key}" for key in sorted(data.keys() - _JOB_KEYS)]
        environment = data.get("environment")
        if isinstance(environment, dict):
            problems += [f"jobs:{name}:environment:{key}" for key in sorted(environment.keys() - _ENVIRONMENT_KEYS)]
        artifacts = data.get("artifacts") or {}
        problems += [f"jobs:{name}:artifacts:{key}" for key in sorted(artifacts.keys() - _ARTIFACT_KEYS)]
        problems += [f"jobs:{name}:artifacts:reports:{key}" for key in reports.unknown(artifacts.get("reports") or {})]
        for need in data.get("needs") or []:
            problems += [f"jobs:{name}:needs:{key}" for key in ("pipeline", "project") if key in need]
        if data.get("when") == "delayed" or any(rule.get("when") == "delayed" for rule in data.get("rules") or []):
            problems.append(f"jobs:{name}:when:delayed")
    if problems:
        raise LanguageError(f"not supported by the lab's GitLab: {', '.join(problems)}")


def _jobs(expanded: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        name: data
        for name, data in expanded.items()
        if name not in _TOP_KEYS and not name.startswith(".") and isinstance(data, dict)
    }


def _environment_name(data: dict[str, Any]) -> str | None:
    environment = data.get("environment")
    return environment.get("name") if isinstance(environment, dict) else environment


def _matched_rules(
    settings: Settings,
    source: Path,
    expanded: dict[str, Any],
    jobs: dict[str, dict[str, Any]],
    situation: Situation,
    listed: dict[str, dict[str, Any]] | None,
) -> dict[str, dict[str, Any]]:
    """What the rules make of every job: when, allow_failure, needs, and the variables of the rule that matched.

    `listed` is the first run's list, where that is of the same jobs and rules.
    """
    numbered = copy.deepcopy({name: expanded[name] for name in ("stages", "variables") if name in expanded} | jobs)
    if (expanded.get("workflow") or {}).get("rules"):
        numbered[_WORKFLOW] = {
            "stage": ".pre",
            "script": ["true"],
            "rules": copy.deepcopy(expanded["workflow"]["rules"]),
        }
    told = False
    for data in numbered.values():
        if isinstance(data, dict):
            # Its jobs are several already.
            data.pop("parallel", None)
            for number, rule in enumerate(data.get("rules") or []):
                rule["allow_failure"] = {"exit_codes": number}
                told = told or "variables" in rule
    scoped = _scoped_environments(jobs, situation)
    if listed is not None and not told and _WORKFLOW not in numbered and not scoped:
        return listed
    file = f"{_STATE}/numbered.yml"
    (source / file).write_text(yaml.safe_dump(numbered, sort_keys=False))
    found: dict[str, dict[str, Any]] = {}
    for environment in [None, *scoped]:
        answers = _run(settings, source, file, situation, environment, check_schema=False)
        for name, answer in answers.items():
            own = _environment_name(jobs[name]) if name in jobs else None
            if environment == (own if own in scoped else None):
                found[name] = answer
    return {name: _explained(name, answer, jobs, expanded) for name, answer in found.items()}


def _explained(
    name: str,
    answer: dict[str, Any],
    jobs: dict[str, dict[str, Any]],
    expanded: dict[str, Any],
) -> dict[str, Any]:
    """An answer with its rule's number replaced by what that rule says."""
    data = jobs.get(name, {})
    rules = data.get("rules") or (expanded["workflow"]["rules"] if name == _WORKFLOW else [])
    number = answer["allow_failure"]
    if not rules:
        return answer
    if answer["when"] == "never" or not isinstance(number, dict):
        return {**answer, "allow_failure": False}
    rule = rules[number["exit_codes"]]
    otherwise = data.get("allow_failure", answer["when"] == "manual" and data.get("when") == "manual")
    return {
        **answer,
        "allow_failure": rule.get("allow_failure", otherwise),
        "rule_variables": _texts(rule.get("variables")),
    }


def _scoped_environments(jobs: dict[str, dict[str, Any]], situation: Situation) -> list[str]:
    """Environments whose jobs see other variables than jobs without one."""
    plain = situation.variables_for(None)
    names = {name for data in jobs.values() if data.get("rules") and (name := _environment_name(data))}
    return sorted(name for name in names if situation.variables_for(name) != plain)


def _job(name: str, data: dict[str, Any], answer: dict[str, Any], expanded: dict[str, Any]) -> Job:
    inherit = data.get("inherit") or {}
    defaults = expanded.get("default") or {}
    wanted = inherit.get("default", True)
    for key in _INHERITED:
        if key not in data and key in defaults and (wanted is True or (isinstance(wanted, list) and key in wanted)):
            data[key] = defaults[key]
    top = _texts(expanded.get("variables"))
    chosen = inherit.get("variables", True)
    if chosen is False:
        top = {}
    elif isinstance(chosen, list):
        top = {key: value for key, value in top.items() if key in chosen}
    failure = answer["allow_failure"]
    codes = failure.get("exit_codes") if isinstance(failure, dict) else None
    needs = answer.get("needs")
    return Job(
        name=name,
        stage=data.get("stage", "test"),
        condition=answer["when"],
        allow_failure=failure is True,
        allow_failure_codes=[codes] if isinstance(codes, int) else list(codes or []),
        needs=needs,
        dependencies=data.get("dependencies"),
        tags=[str(tag) for tag in data.get("tags") or []],
        variables={**top, **_texts(data.get("variables")), **answer.get("rule_variables", {})},
        spec=_spec(name, data),
    )


def _spec(name: str, data: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a job for the runner, in the shape of its payload."""
    environment = data.get("environment")
    if isinstance(environment, str):
        environment = {"name": environment}
    retry = data.get("retry") or 0
    return {
        "before_script": data.get("before_script") or [],
        "script": data.get("script") or [],
        "after_script": data.get("after_script") or [],
        "image": data.get("image"),
        "services": data.get("services") or [],
        "artifacts": data.get("artifacts") or {},
        "cache": data.get("cache") or [],
        "timeout": seconds(str(data["timeout"])) if data.get("timeout") else None,
        "retry": retry.get("max", 0) if isinstance(retry, dict) else int(retry),
        "environment": environment,
        "resource_group": data.get("resource_group"),
        "parallel": data.get("parallel"),
    }


def _texts(variables: dict[str, Any] | None) -> dict[str, str]:
    found = {}
    for key, value in (variables or {}).items():
        if isinstance(value, dict):
            value = value.get("value", "")
        found[key] = str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
    return found


_UNITS = {
    "s": 1, "sec": 1, "secs": 1, "second": 1, "seconds": 1,
    "m": 60, "min": 60, "mins": 60, "minute": 60, "minutes": 60,
    "h": 3600, "hr": 3600, "hrs": 3600, "hour": 3600, "hours": 3600,
    "d": 86400, "day": 86400, "days": 86400, "w": 604800, "wk": 604800, "week": 604800, "weeks": 604800,
    "mo": 2592000, "mos": 2592000, "month": 2592000, "months": 2592000,
    "y": 31536000, "year": 31536000, "years": 31536000,
}  # fmt: skip


def seconds(text: str) -> int | None:
    """A duration, as `1h 30m` or `2 weeks`; None for never. Raises LanguageError."""
    if text.strip() == "never":
        return None
    if text.strip().isdigit():
        return int(text)
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([a-z]+)", text.lower())
    if not parts or any(unit not in _UNITS for _, unit in parts):
        raise LanguageError(f"{text!r} is no duration")
    return int(sum(float(number) * _UNITS[unit] for number, unit in parts))
