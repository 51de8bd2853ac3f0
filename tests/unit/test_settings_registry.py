"""Wrong settings of the registry and of the Docker engine."""

from __future__ import annotations

import pytest

import settings
from settings.problems import report
from tests.unit.program import Run, without
from tests.unit.settings_cases import Bad, Config, problems, put, require_named

# What is done to good settings; the key that must be named; words of what is expected; words of the fix.
BAD: dict[str, Bad] = {
    "mirror of the engine without TLS": (
        put("docker.registryMirrors", ["http://mirror"]),
        "docker.registryMirrors[0]",
        "https://",
        "docker.registryMirrors",
    ),
    "plain TCP by an unclear word": (
        put("docker.unprotectedTcp2375", "maybe"),
        "docker.unprotectedTcp2375",
        "boolean",
        "false",
    ),
    "registry's host missing": (put("registry", {}), "registry.host", "the machine", "registry.host registry"),
    "image without a registry": (
        put("registry.images.nginx", "nginx:1"),
        "registry.images.nginx",
        "its registry",
        "docker.io/",
    ),
    "image without a tag": (
        put("registry.images.ui", "docker.io/a/b"),
        "registry.images.ui",
        "tag or digest",
        "images.ui docker.io/",
    ),
    "login without a password": (
        put("registry.login", {"username": "ci"}),
        "registry.login.password",
        "8 char",
        "--secret",
    ),
    "login's password too short": (
        put("registry.login", {"username": "ci", "password": "short"}),
        "registry.login.password",
        "8",
        "--secret",
    ),
    "login's name with a colon": (
        put("registry.login", {"username": "a:b", "password": "long enough"}),
        "registry.login.username",
        "pattern",
        "username ci",
    ),
    "password in plain text": (
        put("registry.login", {"username": "ci", "password": "long enough"}),
        "registry.login.password",
        "an encrypted secret",
        "config set --secret --path auto-devops:registry.login.password",
    ),
    "build cache without a unit": (
        put("docker.prune.keepStorage", "10"),
        "docker.prune.keepStorage",
        "10GB",
        "docker.prune.keepStorage 10GB",
    ),
    "no image is kept": (put("docker.prune.keepDays", 0), "docker.prune.keepDays", "greater", "keepDays 7"),
    "schedule that is none": (
        put("registry.garbageCollection.schedule", "daily; rm"),
        "registry.garbageCollection.schedule",
        "systemd calendar",
        "garbageCollection.schedule",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_setting_is_named_with_its_fix(good: Config, kind: str) -> None:
    require_named(good, BAD[kind])


def test_password_is_never_shown(good: Config) -> None:
    put("registry.login", {"username": "ci", "password": "hunter2"})(good)
    assert "hunter2" not in report(problems(good), "dev")
    put("registry.login", {"username": "ci", "passwort": "hunter2"})(good)
    assert "hunter2" not in report(problems(good), "dev")


def test_a_mistyped_password_is_renamed_unseen(good: Config) -> None:
    put("registry.login", {"username": "ci", "pasword": "correct horse"})(good)
    assert problems(good)[1].fix == (
        "rename it: pulumi config get --path auto-devops:registry.login.pasword"
        " | pulumi config set --secret --path auto-devops:registry.login.password"
        " && pulumi config rm --path auto-devops:registry.login.pasword"
    )


def test_password_is_accepted_as_a_secret(good: Config) -> None:
    put("registry.login", {"username": "ci", "password": "long enough"})(good)
    parsed = settings.parse(good, {"registry"})
    assert parsed.registry.login is not None
    assert "long enough" not in repr(parsed)


def test_plain_port_is_warned_about_at_every_run(
    run_afresh: Run, good: Config, caplog: pytest.LogCaptureFixture
) -> None:
    put("docker.unprotectedTcp2375", True)(good)
    run_afresh(without(good, "gitlab", "k8s"))
    assert any("whoever reaches 192.168.80.112:2375 is root there" in r.message for r in caplog.records)
