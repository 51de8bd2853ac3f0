"""Who may use an agent: jobs of its own project, and those that its configuration file names.

The file is `.gitlab/agents/<name>/config.yaml` on the default branch of the agent's project; without it, or where it
says nothing of the agent's own project, all jobs of that project may.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from gitlab_standin import accounts, clock
from gitlab_standin.ci.variables import scope_matches
from gitlab_standin.database import Row
from gitlab_standin.errors import forbidden, unauthorized
from gitlab_standin.site import Site


class AgentConfigurationError(ValueError):
    """An agent's file is wrong, or asks for what the lab's GitLab does not do."""


@dataclass(frozen=True)
class Access:
    """What a job may use: an agent, its name as a context, and the namespace that the context names."""

    agent_id: int
    context: str
    namespace: str | None = None


_KNOWN_SECONDS = 10
_ENTRY = {"id", "access_as", "default_namespace", "environments", "protected_branches_only"}


def for_job(site: Site, project: Row, environment: str | None, protected: bool) -> list[Access]:
    """The agents that a job of the project may use; `protected` says that its branch is.

    Raises AgentConfigurationError.
    """
    if not site.settings.kas:
        return []
    above = accounts.ancestors(site, project["namespace_id"])
    found = []
    for agent in site.db.rows(
        "select cluster_agents.*, projects.full_path, projects.default_branch, projects.namespace_id "
        "from cluster_agents join projects on projects.id = project_id order by cluster_agents.id"
    ):
        # GitLab shares an agent within its top-level group.
        if accounts.ancestors(site, agent["namespace_id"])[-1]["id"] != above[-1]["id"]:
            continue
        entry = _entry(site, agent, project, above)
        if entry is None:
            continue
        wanted = entry.get("environments")
        if wanted and not any(scope_matches(str(scope), environment) for scope in wanted):
            continue
        if entry.get("protected_branches_only") and not protected:
            continue
        found.append(Access(agent["id"], f"{agent['full_path']}:{agent['name']}", entry.get("default_namespace")))
    return found


def _entry(site: Site, agent: Row, project: Row, above: Sequence[Row]) -> dict[str, Any] | None:
    """What the agent's file says of a project; the nearest counts: the project, its own agents, its groups."""
    access = _configuration(site, agent)
    for entry in access.get("projects") or []:
        if str(entry["id"]).lower() == project["full_path"].lower():
            return dict(entry)
    if agent["project_id"] == project["id"]:
        return {}
    for group in above:
        for entry in access.get("groups") or []:
            if str(entry["id"]).lower() == group["full_path"].lower():
                return dict(entry)
    return None


def _configuration(site: Site, agent: Row) -> dict[str, Any]:
    """`ci_access` of the agent's file."""
    name = f".gitlab/agents/{agent['name']}/config.yaml"
    tip = site.repositories.branch(agent["project_id"], agent["default_branch"] or "main")
    read = site.repositories.read(agent["project_id"], tip, name) if tip else None
    if read is None:
        return {}
    where = f"{agent['full_path']}: {name}"
    try:
        content = yaml.safe_load(read[0]) or {}
        unknown = [str(key) for key in content.keys() - {"ci_access"}]
        access = content.get("ci_access") or {}
        unknown += [f"ci_access.{key}" for key in access.keys() - {"projects", "groups"}]
        for kind in ("projects", "groups"):
            for entry in access.get(kind) or []:
                unknown += [f"ci_access.{kind}.{key}" for key in entry.keys() - _ENTRY]
                if entry.get("access_as", {"agent": {}}) != {"agent": {}}:
                    unknown.append(f"ci_access.{kind}.access_as other than agent")
                _ = entry["id"]
    except (yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise AgentConfigurationError(f"{where} is no configuration of an agent: {error!r}") from None
    if unknown:
        raise AgentConfigurationError(f"{where}: not supported by the lab's GitLab: {', '.join(sorted(unknown))}")
    return dict(access)


def authorize_agent(site: Site, token: str) -> Row:
    """The agent of a token, which is noted as used. Raises 401."""
    found = site.db.row(
        "select * from cluster_agent_tokens where digest = ? and status = 'active'", site.vault.digest(token)
    )
    if found is None:
        raise unauthorized()
    site.db.update("cluster_agent_tokens", found["id"], last_used_at=clock.now())
    return found


def is_active(site: Site, token_id: int) -> bool:
    """Whether an agent's token still counts; it goes with its agent, and that with its project."""
    return site.db.row("select 1 from cluster_agent_tokens where id = ? and status = 'active'", token_id) is not None


class Jobs:
    """Checks what jobs ask with. Which agents a job may use is looked up every some seconds only: it takes git."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._known: dict[int, tuple[float, frozenset[int]]] = {}

    def authorize(self, credential: str) -> int:
        """The number of the agent in `ci:<agent>:<job token>`.

        Raises 401 for anything but a running job's token, 403 for an agent that is not that job's, and
        AgentConfigurationError.
        """
        kind, _, rest = credential.partition(":")
        number, _, token = rest.partition(":")
        if kind != "ci" or not number.isdigit() or not token:
            raise unauthorized()
        job = accounts.authenticate_job(self._site, token).job
        assert job is not None
        if int(number) not in self._agents(job):
            raise forbidden(f"agent {number} is not this job's")
        return int(number)

    def _agents(self, job: Row) -> frozenset[int]:
        now = time.monotonic()
        looked_up, agents = self._known.get(job["id"], (0.0, frozenset()))
        if not agents or now - looked_up > _KNOWN_SECONDS:
            project = self._site.db.row("select * from projects where id = ?", job["project_id"])
            assert project is not None
            allowed = for_job(self._site, project, job["environment"], bool(job["protected"]))
            agents = frozenset(one.agent_id for one in allowed)
            self._known = {key: kept for key, kept in self._known.items() if now - kept[0] <= _KNOWN_SECONDS}
            self._known[job["id"]] = now, agents
        return agents
