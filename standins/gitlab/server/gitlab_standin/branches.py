"""The protection of branches: which rules there are for one. Whether a push may pass them is decided in pushes."""

from __future__ import annotations

import fnmatch
from typing import Any

from gitlab_standin import accounts
from gitlab_standin.database import Row
from gitlab_standin.site import Site


def protection(site: Site, project: Row, branch: str) -> list[Row]:
    """The rules that protect a branch: by name, or by a pattern with stars."""
    rows = site.db.rows("select * from protected_branches where project_id = ?", project["id"])
    return [row for row in rows if row["name"] == branch or fnmatch.fnmatchcase(branch, row["name"])]


def is_protected(site: Site, project: Row, branch: str) -> bool:
    """Whether a branch is protected; an empty repository's default branch will be."""
    return bool(protection(site, project, branch))


def protect(
    site: Site,
    project: Row,
    name: str,
    push: list[dict[str, Any]] | None = None,
    merge: list[dict[str, Any]] | None = None,
    force: bool = False,
) -> int:
    """Protect a branch; without levels, for maintainers. Returns the rule's id."""
    standard = [{"access_level": accounts.MAINTAINER}]
    levels = {"push": push or standard, "merge": merge or standard, "unprotect": []}
    for entries in levels.values():
        for number, entry in enumerate(entries, start=1):
            entry.setdefault("id", number)
    return site.db.insert(
        "protected_branches", project_id=project["id"], name=name, allow_force_push=int(force), levels=levels
    )
