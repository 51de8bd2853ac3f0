"""The projects that a stack's settings name, with their groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from components.auto_devops_project.auto_devops_project import (
    AutoDevOpsProject,
    AutoDevOpsProjectArgs,
    Platform,
    ProjectGroup,
    ProjectGroupArgs,
)

if TYPE_CHECKING:
    from settings.projects import ProjectSettings


def make_projects(platform: Platform, wanted: Sequence[ProjectSettings]) -> dict[str, AutoDevOpsProject]:
    """The projects by `<group>-<project>`; each group is made once, for all of its projects."""
    groups = {
        path: ProjectGroup(f"group-{path}", ProjectGroupArgs(path=path, gitlab_provider=platform.gitlab_provider))
        for path in dict.fromkeys(project.group for project in wanted)
    }
    return {
        project.slug: AutoDevOpsProject(
            f"project-{project.slug}",
            AutoDevOpsProjectArgs(
                platform=platform,
                group=groups[project.group],
                project=project.name,
                pipeline=project.pipeline,
                branch=project.branch,
                source=project.source,
                variables=project.variables,
                secrets={key: secret.get_secret_value() for key, secret in project.secrets.items()},
            ),
        )
        for project in wanted
    }
