"""One installation for all tests; each test has a group of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import gitlab
import pytest

from tests.standins.gitlab.installation import Installation, Runner, prepare

TOKEN = "glpat-root-for-the-tests-1"
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def prepared() -> None:
    prepare()


@pytest.fixture(scope="session")
def installation(prepared: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    found = Installation(tmp_path_factory.mktemp("gitlab"))
    found.start()
    found.make_token("tests", TOKEN, "api", "read_repository", "write_repository")
    yield found
    found.stop()


@pytest.fixture
def client(installation: Installation) -> gitlab.Gitlab:
    """python-gitlab as root."""
    found = installation.client(TOKEN)
    found.auth()
    return found


@pytest.fixture
def group(client: gitlab.Gitlab) -> Any:
    number = next(_NUMBERS)
    return client.groups.create({"name": f"Team {number}", "path": f"team-{number}"})


@pytest.fixture
def project(client: gitlab.Gitlab, group: Any) -> Any:
    """A project without code, and without Auto DevOps."""
    return client.projects.create({"name": "hello", "namespace_id": group.id, "auto_devops_enabled": False})


@pytest.fixture
def runner(installation: Installation, client: gitlab.Gitlab, project: Any) -> Runner:
    """A runner of the project's that takes untagged jobs, and those for docker."""
    assert client.user is not None
    made = client.user.runners.create(
        {"runner_type": "project_type", "project_id": project.id, "tag_list": ["docker"], "run_untagged": True}
    )
    return Runner(installation, made.token)
