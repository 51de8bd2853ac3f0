"""What the preflight looks for is what the installations look for."""

from __future__ import annotations

import pytest

from components import gitlab_server, registry_host
from components.host.bundle import unpack
from names import Names
from settings.gitlab import GitLabSettings
from settings.machines import Machine
from settings.registry import DockerSettings
from tests.unit.recording import Recorder
from tests.unit.test_stack import COMMAND, files


@pytest.mark.parametrize("role", ["registry", "gitlab"])
def test_the_engines_check_is_the_installations_own(good_stack: Recorder, role: str) -> None:
    """By its resource's name it knows whether the stack has begun, and it looks for what is going to be installed."""
    names = Names("devops.example.com")
    machine = Machine(role, "192.0.2.1", "root", 22, "", None, "ssh-ed25519 AAAA")
    if role == "registry":
        check = registry_host.engine_check("registry-host", machine, names, DockerSettings.model_validate({}))
    else:
        settings = GitLabSettings.model_validate({"host": "gitlab"})
        check = gitlab_server.engine_check("gitlab-server", machine, names, settings)
    installation = good_stack.one(check.name, COMMAND)
    assert installation.inputs["create"].removeprefix("sudo -n ").removesuffix(" install") == check.command[:-6]
    assert files(good_stack, check.name)["check.sh"] == unpack(check.stdin)["check.sh"]
