"""The runner that CI jobs run on."""

from components.gitlab_runner.from_settings import RunnerContext, make_runner
from components.gitlab_runner.gitlab_runner import GitLabRunner, GitLabRunnerArgs, check
from components.gitlab_runner.in_cluster import KubernetesRunner, KubernetesRunnerArgs
from components.gitlab_runner.jobs import RunnerToken

__all__ = [
    "GitLabRunner",
    "GitLabRunnerArgs",
    "KubernetesRunner",
    "KubernetesRunnerArgs",
    "RunnerContext",
    "RunnerToken",
    "check",
    "make_runner",
]
