"""The runner that CI jobs run on."""

from components.gitlab_runner.gitlab_runner import GitLabRunner, GitLabRunnerArgs, Registration

__all__ = ["GitLabRunner", "GitLabRunnerArgs", "Registration"]
