"""Projects in GitLab whose pushes become URLs."""

from components.auto_devops_project.auto_devops_project import AutoDevOpsProject, AutoDevOpsProjectArgs
from components.auto_devops_project.delivery import Delivery
from components.auto_devops_project.from_settings import make_projects
from components.auto_devops_project.project_group import ProjectGroup, ProjectGroupArgs

__all__ = [
    "AutoDevOpsProject",
    "AutoDevOpsProjectArgs",
    "Delivery",
    "ProjectGroup",
    "ProjectGroupArgs",
    "make_projects",
]
