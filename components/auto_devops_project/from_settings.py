"""The projects that a stack's settings name, with their groups."""

from __future__ import annotations

from collections.abc import Sequence

from components.auto_devops_project.auto_devops_project import AutoDevOpsProject, AutoDevOpsProjectArgs
from components.auto_devops_project.delivery import Delivery
from components.auto_devops_project.project_group import ProjectGroup, ProjectGroupArgs
from settings.projects import ProjectSettings


def make_projects(delivery: Delivery, wanted: Sequence[ProjectSettings]) -> dict[str, AutoDevOpsProject]:
    """The projects by `<group>-<project>`; each group is made once, for all of its projects."""
    groups = {
        path: ProjectGroup(f"group-{path}", ProjectGroupArgs(path, delivery.gitlab.provider))
        for path in dict.fromkeys(project.group for project in wanted)
    }
    return {
        project.slug: AutoDevOpsProject(
            f"project-{project.slug}", AutoDevOpsProjectArgs(delivery, groups[project.group], project)
        )
        for project in wanted
    }
