"""ProjectGroup: a group in GitLab."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_gitlab as gitlab


@dataclass(frozen=True)
class ProjectGroupArgs:
    """`provider` is the GitLab that the group is made in."""

    path: str
    provider: gitlab.Provider


class ProjectGroup(pulumi.ComponentResource):
    """A private group in GitLab.

    Owns: the group, which GitLab itself keeps for some days after its removal, by another path.
    Does not own: its members, who are people's business, and its projects.
    """

    path: str
    id: pulumi.Output[int]

    def __init__(self, name: str, args: ProjectGroupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("auto-devops:index:ProjectGroup", name, None, opts)
        self.path = args.path
        group = gitlab.Group(
            f"{name}-group",
            name=args.path,
            path=args.path,
            visibility_level="private",
            # Not removed for good at once: GitLab allows that for subgroups alone, and answers 400 here.
            opts=pulumi.ResourceOptions(parent=self, provider=args.provider),
        )
        self.id = group.id.apply(int)
        self.register_outputs({"id": self.id})
