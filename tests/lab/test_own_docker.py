"""A machine with a Docker of its user's, and what is in it: the stack comes and goes, and none of that changes."""

from __future__ import annotations

import json
import shlex

import pytest

from lab import paths
from tests.lab.driver import DOMAIN, MAKE_IMAGE, SLEEP, Lab, difference

# Each case needs a stack of its own, from bare machines to destroy: too long for `make test-lab`. What the scripts do
# is in tests/scripts/test_docker_*.py as well.
pytestmark = [pytest.mark.state("bare", changes=True), pytest.mark.full]

# What the stack's own builds begin with, too.
PULLED = "mirror.lab.internal:5000/library/debian:bookworm-slim"
THEIRS = {"log-driver": "journald", "default-address-pools": [{"base": "10.99.0.0/16", "size": 24}]}


def on(lab: Lab, line: str) -> str:
    return lab.on("registry", line).succeeded().output.strip()


@pytest.fixture(scope="module")
def theirs(lab: Lab) -> dict[str, list[str]]:
    """What the registry's machine is like once its user has a container with a volume there."""
    on(
        lab,
        "apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install docker.io",
    )
    on(lab, f"mkdir -p /etc/docker && printf '%s\\n' '{json.dumps(THEIRS)}' >/etc/docker/daemon.json")
    on(lab, f"systemctl restart docker && {MAKE_IMAGE}")
    on(lab, f"docker run --detach --name theirs --restart always --volume theirs-data:/data {SLEEP}")
    certificate = "/etc/docker/certs.d/mirror.lab.internal:5000/ca.crt"
    on(
        lab,
        f"mkdir -p {certificate.rpartition('/')[0]} && echo {shlex.quote(paths.MIRROR_CA.read_text())} >{certificate}",
    )
    on(lab, f"docker pull --quiet {PULLED}")
    # Without a name, as builds leave them.
    on(lab, f"printf 'FROM {SLEEP}\\nLABEL x=y\\n' | docker build --quiet -")
    on(lab, "echo kept >$(docker volume inspect --format '{{.Mountpoint}}' theirs-data)/file")
    return lab.snapshot("registry")


def since(lab: Lab) -> str:
    """When the container was started, and by which process it is carried."""
    return on(lab, "docker inspect --format '{{.State.StartedAt}} {{.State.Pid}} {{.State.Running}}' theirs")


def test_a_name_that_is_taken_is_said_before_any_change(lab: Lab, theirs: dict[str, list[str]]) -> None:
    on(lab, f"docker create --name nginx {SLEEP}")
    try:
        refused = lab.lab("up").failed()
        assert "container nginx" in refused.output and "one of somebody else's" in refused.output
        assert on(lab, "ls /etc/systemd/system/docker.service.d 2>/dev/null || true") == ""
        assert on(lab, "docker inspect --format '{{.State.Status}}' nginx") == "created"
    finally:
        on(lab, "docker rm nginx")


def test_the_users_engine_lives_through_the_stack(lab: Lab, theirs: dict[str, list[str]]) -> None:
    before = since(lab)
    lab.lab("up").succeeded()
    assert since(lab) == before
    assert lab.workstation(f"curl -sS -o /dev/null -w '%{{http_code}}' https://registry.{DOMAIN}/v2/") == "200"
    assert on(lab, "docker info --format '{{.LoggingDriver}} {{.LiveRestoreEnabled}}'") == "journald true"
    assert json.loads(on(lab, "cat /etc/docker/daemon.json")) == THEIRS

    lab.pulumi("destroy", "--yes", "--skip-preview").succeeded()
    assert since(lab) == before
    # With the engine's containers, images, volumes and networks.
    assert difference(theirs, lab.snapshot("registry")) == {}
    assert on(lab, "docker info --format '{{.LoggingDriver}} {{.LiveRestoreEnabled}}'") == "journald false"
    assert on(lab, "cat $(docker volume inspect --format '{{.Mountpoint}}' theirs-data)/file") == "kept"


def test_an_engine_of_the_stacks_stays_with_what_is_somebodys(lab: Lab) -> None:
    """The engine of GitLab's machine came with the stack; its user has put a volume into it since."""
    lab.lab("up").succeeded()
    lab.on("gitlab", "docker volume create theirs").succeeded()
    gone = lab.pulumi("destroy", "--yes", "--skip-preview").succeeded()
    assert "leaving Docker on" in gone.output and "volumes theirs" in gone.output
    assert lab.on("gitlab", "docker volume ls --quiet").succeeded().output.strip() == "theirs"
    # Without it the next time nothing is left of it, but the engine is the user's now.
    lab.on("gitlab", "docker volume rm theirs && apt-get -qq -y purge docker.io").succeeded()
