"""The stack's outputs as an interface: what they are, and how another stack's program reads them.

    from outputs import Platform

    platform = Platform(pulumi.StackReference("organization/auto-devops/home"))
    pulumi.export("registry", platform.registry_url)

`outputs.kubernetes.provider(platform)` is a provider for its cluster. typescript/platform.ts is the same in TypeScript.
docs/outputs.md has all of them. It imports nothing else of ours, and itself by relative names, so that another program
can have a copy, called as it likes. It needs `pulumi` and `pydantic`.
"""

from .model import DockerClient, Ingress, Project
from .reader import Platform

__all__ = ["DockerClient", "Ingress", "Platform", "Project"]
