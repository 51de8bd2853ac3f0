"""Wrong settings of mirrors, and what goes through them."""

from __future__ import annotations

import pytest

import settings
from tests.unit.program import Certify
from tests.unit.settings_cases import Bad, Config, problems, put, require_named

# What is done to good settings; the key that must be named; words of what is expected; words of the fix.
BAD: dict[str, Bad] = {
    "charts without TLS": (
        put("mirrors.gitlabCharts", "http://mirror.corp"),
        "mirrors.gitlabCharts",
        "https://",
        "mirrors.gitlabCharts",
    ),
    "mirror with a scheme": (
        put("mirrors.images", {"docker.io": "https://m"}),
        "mirrors.images.docker.io",
        "without scheme",
        "mirrors",
    ),
    "mirror's CA missing": (
        put("mirrors.caCertificateFile", "/none"),
        "mirrors.caCertificateFile",
        "PEM",
        "caCertificateFile",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_setting_is_named_with_its_fix(good: Config, kind: str) -> None:
    require_named(good, BAD[kind])


def test_expired_mirror_ca(good: Config, certify: Certify) -> None:
    put("mirrors.caCertificateFile", str(certify(days=-1)[0]))(good)
    assert [(p.key, p.expected) for p in problems(good)] == [
        ("mirrors.caCertificateFile", "a certificate that is still valid")
    ]


def test_images_go_through_their_registrys_mirror(good: Config) -> None:
    put("mirrors.images", {"docker.io": "mirror.corp:5000/hub"})(good)
    downloads = settings.parse(good).downloads
    assert downloads.image("docker.io/library/nginx:1.28-alpine") == "mirror.corp:5000/hub/library/nginx:1.28-alpine"
    assert downloads.image("ghcr.io/a/b:1") == "ghcr.io/a/b:1"


def helper_image(config: Config) -> str | None:
    """The runner's helper as it is pulled."""
    stack = settings.parse(config)
    return stack.ci.helper_image(stack.downloads)


def test_the_runners_helper_goes_by_the_mirror_too(good: Config) -> None:
    assert helper_image(good) is None  # the runner knows it
    put("mirrors.images", {"registry.gitlab.com": "mirror.corp:5000"})(good)
    path = "gitlab-org/gitlab-runner/gitlab-runner-helper"
    assert helper_image(good) == f"mirror.corp:5000/{path}:x86_64-v${{CI_RUNNER_VERSION}}"
    put("ci.images.helper", "registry.gitlab.com/own/helper:1")(good)
    assert helper_image(good) == "mirror.corp:5000/own/helper:1"


def test_engines_get_the_mirror_of_docker_io(good: Config) -> None:
    put("mirrors.images", {"docker.io": "mirror.corp:5000"})(good)
    assert settings.parse(good).downloads.docker_hub_mirrors == ["https://mirror.corp:5000"]
    put("docker.registryMirrors", ["https://other.corp"])(good)
    assert settings.parse(good).downloads.docker_hub_mirrors == ["https://other.corp"]
    put("docker.registryMirrors", [])(good)
    put("mirrors.images", {"docker.io": "mirror.corp:5000/hub"})(good)
    assert settings.parse(good).downloads.docker_hub_mirrors == []
