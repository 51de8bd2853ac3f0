"""Pushes: whether one may move a ref, and what follows at once; who else wants to know is told by the site.

Git over HTTPS and SSH come here by their hooks; the API's commits come here directly.
"""

from __future__ import annotations

from dataclasses import dataclass

from gitlab_standin import accounts, branches, clock
from gitlab_standin.accounts import Actor
from gitlab_standin.database import Row
from gitlab_standin.errors import ApiError
from gitlab_standin.repository import ZERO, GitError
from gitlab_standin.site import PushedRef, Site


@dataclass(frozen=True)
class RefChange:
    """A ref's move from one commit to another; forty zeros stand for none."""

    old: str
    new: str
    ref: str

    @property
    def branch(self) -> str | None:
        return self.ref.removeprefix("refs/heads/") if self.ref.startswith("refs/heads/") else None

    @property
    def tag(self) -> str | None:
        return self.ref.removeprefix("refs/tags/") if self.ref.startswith("refs/tags/") else None


def refusal(site: Site, project: Row, actor: Actor, change: RefChange, env: dict[str, str]) -> str | None:
    """Why a push may not move a ref, in GitLab's words, or None if it may.

    `env` is what git needs to see the pushed objects before they are taken.
    """
    if project["attributes"].get("archived"):
        return "You can't push code to an archived project."
    if change.branch is None and change.tag is None:
        return f"You are not allowed to push to {change.ref}: only branches and tags are supported"
    level = accounts.OWNER if actor.is_admin else accounts.level_in_project(site, actor.user, project)
    if actor.deploy_key is not None:
        level = accounts.DEVELOPER
    if level < accounts.DEVELOPER:
        return "You are not allowed to push code to this project."
    if change.branch is None:
        return None
    rules = branches.protection(site, project, change.branch)
    if not rules:
        return None
    if change.new == ZERO:
        if change.branch == project["default_branch"]:
            return "The default branch of a project cannot be deleted."
        return "You can only delete protected branches using the web interface."
    if not any(_may_push(rule, level) for rule in rules):
        return "You are not allowed to push code to protected branches on this project."
    forced = change.old != ZERO and not _is_ancestor(site, project, change, env)
    if forced and not all(rule["allow_force_push"] for rule in rules):
        return "You are not allowed to force push code to a protected branch on this project."
    return None


def _may_push(rule: Row, level: int) -> bool:
    allowed = [entry["access_level"] for entry in rule["levels"]["push"]]
    return any(wanted != accounts.NO_ACCESS and level >= min(wanted, accounts.OWNER) for wanted in allowed)


def _is_ancestor(site: Site, project: Row, change: RefChange, env: dict[str, str]) -> bool:
    try:
        site.repositories.git(project["id"], "merge-base", "--is-ancestor", change.old, change.new, env=env)
    except GitError:
        return False
    return True


def move_branch(
    site: Site, project: Row, user: Row, branch: str, old: str | None, new: str | None, checked: bool = False
) -> None:
    """Move a branch for the API, with a push's rules and consequences. Raises ApiError."""
    change = RefChange(old or ZERO, new or ZERO, f"refs/heads/{branch}")
    if not checked:
        reason = refusal(site, project, Actor(user=user), change, {})
        if reason:
            raise ApiError(400, {"message": reason})
    try:
        if new is None:
            site.repositories.git(project["id"], "update-ref", "-d", change.ref, change.old)
        else:
            site.repositories.git(project["id"], "update-ref", change.ref, change.new, change.old)
    except GitError as error:
        raise ApiError(409, {"message": f"Reference update failed: {error}"}) from error
    after(site, project, user, [change], [])


def after(site: Site, project: Row, user: Row | None, changes: list[RefChange], options: list[str]) -> list[str]:
    """What follows a push: default branch, protection, pipelines. Returns what git shows the person."""
    site.db.update("projects", project["id"], last_activity_at=clock.now())
    for change in changes:
        if change.branch and change.old == ZERO and change.new != ZERO:
            _first_branch(site, project, change.branch)
    skip = "ci.skip" in options
    variables = [
        {"key": key, "value": value}
        for option in options
        if option.startswith("ci.variable=")
        for key, _, value in [option.removeprefix("ci.variable=").strip('"').partition("=")]
    ]
    unknown = [option for option in options if not option.startswith(("ci.skip", "ci.variable="))]
    for change in changes:
        sha = site.repositories.resolve(project["id"], change.ref) if change.new != ZERO else None
        if sha is not None:
            name = change.branch or change.tag or ""
            site.pushed(PushedRef(project["id"], user, name, change.tag is not None, sha, change.old, skip, variables))
    return [f"push option {option} is not supported by the lab's GitLab" for option in unknown]


def _first_branch(site: Site, project: Row, branch: str) -> None:
    """The first branch that is pushed becomes the default one if that does not exist, and is protected."""
    repositories = site.repositories
    default = project["default_branch"]
    if repositories.branch(project["id"], default) is None and len(repositories.refs(project["id"], "heads")) == 1:
        default = branch
        repositories.git(project["id"], "symbolic-ref", "HEAD", f"refs/heads/{branch}")
        site.db.update("projects", project["id"], default_branch=branch)
        project["default_branch"] = branch
    if branch == default and not branches.is_protected(site, project, branch):
        branches.protect(site, project, branch)
