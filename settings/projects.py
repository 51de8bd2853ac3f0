"""The projects in GitLab.

Owns the list `projects`: what a project and its group may be called, and what may not change once it is there. That
projects need GitLab and a cluster is between sections: see `placement.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from names import PLATFORM, RUNNER_NAMESPACE
from settings.kinds import LocalPath, Section, matching
from settings.problems import Problem, Report, remove_command, set_command, shown
from settings.source_files import SourceError, source_files

# Groups and projects that GitLab answers itself at these paths (its documentation: "Reserved project and group names"),
# as far as they could be ours; its first user's own; and the group whose images in the registry are the platform's.
RESERVED_GROUPS = frozenset(
    "admin api assets dashboard explore files groups help import jwt login oauth org organizations profile projects "
    "public root s search sitemap snippets unsubscribes uploads user users v2".split()
) | {PLATFORM}
RESERVED_PROJECTS = frozenset(
    "badges blame blob builds commits create edit files new preview raw refs tree update wikis".split()
)
# Helm's own (helm.sh/helm, chartutil.ValidateReleaseName). Auto DevOps' release is called by the environment.
RELEASE_LIMIT = 53
# The platform's own namespaces in the cluster.
RESERVED_NAMESPACES = frozenset({PLATFORM, RUNNER_NAMESPACE})

Slug = Annotated[
    str,
    matching(
        r"(?!-)(?!.*--)[a-z0-9-]{1,63}(?<!-)",
        "lower-case letters and digits, and single hyphens between them: it is part of names in DNS and in the "
        "cluster, and GitLab takes no others",
    ),
]
Branch = Annotated[
    str,
    matching(
        r"(?!.*(\.\.|//))[A-Za-z0-9_][A-Za-z0-9_./-]*(?<![/.])(?<!\.lock)",
        "a branch's name, such as main",
    ),
]
VariableName = Annotated[
    str,
    matching(
        r"[A-Za-z_][A-Za-z0-9_]{0,254}",
        "a variable's name of letters, digits and underscores, such as API_KEY",
    ),
]
# GitLab hides a value in job logs only if it is like this (its documentation: "Mask a CI/CD variable").
MaskedSecret = Annotated[
    SecretStr,
    matching(
        r"\S{8,}",
        "at least 8 characters without spaces and line breaks: GitLab hides no others in job logs",
    ),
]

Pipeline = Literal["auto", "custom"]


class ProjectSettings(Section):
    """A project in GitLab, whose pushes become `http://<group>-<name>.k8s.<domain>`."""

    group: Slug = Field(description="the group in GitLab; made with its first project", examples=["team"])
    name: Slug = Field(description="the project's name in its group", examples=["hello"])
    pipeline: Pipeline = Field(
        description="auto: GitLab's Auto DevOps; custom: test, image, and helm upgrade of the repository's chart/",
        examples=["custom"],
    )
    source: LocalPath | None = Field(
        None,
        description="a directory whose files, but what its .gitignore names, become the first commit, where the "
        "repository is empty; never later",
        examples=["services/hello-custom"],
    )
    branch: Branch = Field(
        "main",
        description="the default branch, which is protected; not to be changed once the project is there",
        examples=["main"],
    )
    keep_repository: bool = Field(
        True,
        description="true refuses to delete the repository when the project is taken out of the settings; to delete "
        "it, set this to false, and `pulumi up`, before",
        examples=["false"],
    )
    variables: dict[VariableName, str] = Field(default_factory=dict, description="further CI variables")
    secrets: dict[VariableName, MaskedSecret] = Field(
        default_factory=dict, description="further CI variables that job logs hide, as secrets"
    )

    @property
    def path(self) -> str:
        """Where it is in GitLab."""
        return f"{self.group}/{self.name}"

    @property
    def slug(self) -> str:
        """What the namespace and the host are called; GitLab's CI_PROJECT_PATH_SLUG."""
        return f"{self.group}-{self.name}"


Projects = Mapping[int, ProjectSettings]
"""The projects that are valid in themselves, by their place in the list."""


def check(projects: Projects, branches: Mapping[str, str | None], report: Report) -> None:
    """Names that are free, sources that can be read, default branches that stay.

    `branches` are the projects (group/name) that the stack has, and their default branches where they are known.
    """
    first: dict[str, int] = {}
    for index, project in projects.items():
        key = f"projects[{index}]"
        if project.group in RESERVED_GROUPS:
            expected = "a group that neither GitLab nor the platform uses itself"
            report(Problem(f"{key}.group", shown(project.group), expected, set_command(f"{key}.group", "team")))
        if project.name in RESERVED_PROJECTS:
            expected = "a name that GitLab does not use itself"
            report(Problem(f"{key}.name", shown(project.name), expected, set_command(f"{key}.name", "hello")))
        if len(project.slug) > 63:
            expected = "at most 62 characters together with the group: both are one label in DNS"
            report(Problem(f"{key}.name", shown(project.name), expected, set_command(f"{key}.name", "SHORTER")))
        if project.pipeline == "custom" and len(project.name) > RELEASE_LIMIT:
            expected = f"at most {RELEASE_LIMIT} characters: it is what Helm calls the release"
            report(Problem(f"{key}.name", shown(project.name), expected, set_command(f"{key}.name", "SHORTER")))
        if project.slug.startswith("kube-") or project.slug in RESERVED_NAMESPACES:
            expected = f"another group or name: the namespace {project.slug} is the cluster's own"
            report(Problem(f"{key}.name", shown(project.name), expected, set_command(f"{key}.name", "hello")))
        if project.slug in first:
            expected = f"another group or name: projects[{first[project.slug]}] is {project.slug} already"
            report(Problem(f"{key}.name", shown(project.name), expected, remove_command(key)))
        first.setdefault(project.slug, index)
        for name in sorted(project.variables.keys() & project.secrets.keys()):
            expected = f"one value: {key}.secrets has {name} too"
            report(Problem(f"{key}.variables.{name}", shown(name), expected, remove_command(f"{key}.variables.{name}")))
        # It is read once. A project that the stack has has had its first commit, and the directory may be gone.
        if project.source and project.path not in branches:
            _source(project.source, f"{key}.source", report)
        branch = branches.get(project.path) or project.branch
        if project.branch != branch:
            expected = f"{branch}, the default branch of {project.path}: nothing would protect it any more"
            report(Problem(f"{key}.branch", shown(project.branch), expected, set_command(f"{key}.branch", branch)))


def check_kept(kept: Iterable[str], projects: Projects, report: Report) -> None:
    """No project (group/name) is gone from the settings that the stack has and was told to keep."""
    there = {project.path for project in projects.values()}
    for path in kept:
        if path not in there:
            found = f"no {path} any more, which is in GitLab; its repository would be deleted"
            fix = (
                "put it back into the settings; to delete it, set its keepRepository to false there, pulumi up, "
                "remove it"
            )
            report(Problem("projects", found, f"{path}, as its keepRepository is true", fix))


def _source(path: Path, key: str, report: Report) -> None:
    """A directory that can become a first commit, whose pipeline GitLab would find."""
    pipeline = path / ".gitlab-ci.yml"
    try:
        there = pipeline in source_files(path)
    except SourceError as error:
        fix = f"{error.fix}; or git push it yourself, and {remove_command(key)}"
        report(Problem(key, error.found, error.expected, fix if error.fix else set_command(key, "DIRECTORY")))
        there = pipeline.is_file() or not path.is_dir()
    if not there:
        expected = "a directory with a .gitlab-ci.yml; services/ has examples"
        report(Problem(key, f"{path}, in which there is none", expected, set_command(key, "services/hello-custom")))
