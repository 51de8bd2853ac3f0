"""Every name and port that two parts of the program must agree on.

Owns how the platform's host names follow from its domain, the ports that are told to others, and what the stack calls
its own namespaces. Does not own names that only one component uses.
"""

from __future__ import annotations

from dataclasses import dataclass

DOCKER_TLS_PORT = 2376
"""The Docker engine's, with client certificates."""
DOCKER_PLAIN_PORT = 2375
"""The Docker engine's without any; closed unless a setting with this number in its name opens it."""
KUBERNETES_API_PORT = 6443
SSH_PORT = 22
MOVED_SSH_PORT = 2222
"""Where the sshd of GitLab's machine goes when GitLab takes its port."""

PLATFORM = "auto-devops"
"""What is the platform's own is called so: its namespace in the cluster, its images' group in the registry."""
METRICS_SERVER = f"metrics-server.{PLATFORM}.svc"
"""The cluster's own, for its API server."""
RUNNER_NAMESPACE = "gitlab-runner"
RUNNER_CONTAINER = "gitlab-runner"
"""The runner on GitLab's machine."""
RUNNER_DIRECTORY = "/srv/gitlab-runner"
"""The same on that machine; the runner has it as /etc/gitlab-runner. The scripts name it too."""
RUNNER_CACHE = "auto-devops-cache-"
"""With a runner's name, the volume that keeps /cache between its jobs."""
AGENT_RELEASE = "gitlab-agent"
"""What the agent of a project is called in its namespace; a pipeline calls its own release by the project's name."""


@dataclass(frozen=True)
class Names:
    """The host names below the platform's `domain`."""

    domain: str

    @property
    def docker(self) -> str:
        """The shared Docker engine."""
        return f"docker.{self.domain}"

    @property
    def docker_endpoint(self) -> str:
        """The shared Docker engine as a Docker client has it."""
        return f"tcp://{self.docker}:{DOCKER_TLS_PORT}"

    @property
    def registry(self) -> str:
        """The registry, and its page."""
        return f"registry.{self.domain}"

    @property
    def gitlab(self) -> str:
        """GitLab; its own registry is another port of it."""
        return f"gitlab.{self.domain}"

    @property
    def gitlab_url(self) -> str:
        """GitLab in a browser, and for its runners."""
        return f"https://{self.gitlab}"

    @property
    def kubernetes(self) -> str:
        """The cluster's control plane, and the domain below which applications are."""
        return f"k8s.{self.domain}"

    @property
    def kubernetes_wildcards(self) -> list[str]:
        """What ingress' certificate is for where an application brings none."""
        return [f"*.{self.kubernetes}", self.kubernetes]

    def application(self, name: str) -> str:
        """Where the cluster serves the application `name`."""
        return f"{name}.{self.kubernetes}"

    @property
    def wildcards(self) -> list[str]:
        """What the certificate of the registry's machine is for: every name of the platform that is there, ever."""
        return [f"*.{self.domain}", self.domain, f"*.{self.kubernetes}"]


def bracketed(address: str) -> str:
    """`address` as it stands in a URL or before a port: IPv6 in brackets."""
    return f"[{address}]" if ":" in address else address
