"""GitLab on a machine of its own."""

from components.gitlab_server.gitlab_server import GitLabServer, GitLabServerArgs

__all__ = ["GitLabServer", "GitLabServerArgs"]
