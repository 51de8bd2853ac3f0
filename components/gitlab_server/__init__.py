"""GitLab on a machine of its own."""

from components.gitlab_server.gitlab_server import (
    GitLabAccess,
    GitLabServer,
    GitLabServerArgs,
    check,
    engine_check,
    images,
)

__all__ = ["GitLabAccess", "GitLabServer", "GitLabServerArgs", "check", "engine_check", "images"]
