"""Projects in GitLab whose pushes become URLs."""

from components.auto_devops_project.auto_devops_project import (
    AutoDevOpsProject,
    AutoDevOpsProjectArgs,
    Platform,
    ProjectGroup,
    ProjectGroupArgs,
    roles,
)
from components.auto_devops_project.from_settings import make_projects
from components.auto_devops_project.project_agent import AgentArgs

__all__ = [
    "AgentArgs",
    "AutoDevOpsProject",
    "AutoDevOpsProjectArgs",
    "Platform",
    "ProjectGroup",
    "ProjectGroupArgs",
    "make_projects",
    "roles",
]
