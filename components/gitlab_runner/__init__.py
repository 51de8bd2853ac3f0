"""The runner that CI jobs run on."""

from components.gitlab_runner.from_settings import Surroundings, make_runner
from components.gitlab_runner.gitlab_runner import GitLabRunner, GitLabRunnerArgs
from components.gitlab_runner.in_cluster import KubernetesRunner, KubernetesRunnerArgs
from components.gitlab_runner.registration import Registration

__all__ = [
    "GitLabRunner",
    "GitLabRunnerArgs",
    "KubernetesRunner",
    "KubernetesRunnerArgs",
    "Registration",
    "Surroundings",
    "make_runner",
]
