"""Wrong settings of GitLab."""

from __future__ import annotations

import pytest

from tests.unit.settings_cases import Bad, Config, put, require_named

# What is done to good settings; the key that must be named; words of what is expected; words of the fix.
BAD: dict[str, Bad] = {
    "GitLab's image without a version": (
        put("gitlab.image", "docker.io/gitlab/gitlab-ce:latest"),
        "gitlab.image",
        "a tag with GitLab's version, such as 19.4.0-ce.0",
        "gitlab.image docker.io/gitlab/gitlab-ce:",
    ),
    "GitLab's data in a system's directory": (
        put("gitlab.dataDirectory", "/etc/gitlab"),
        "gitlab.dataDirectory",
        "not one of the system's",
        "gitlab.dataDirectory /srv/gitlab",
    ),
    "GitLab's data in a disk's root": (
        put("gitlab.dataDirectory", "/srv"),
        "gitlab.dataDirectory",
        "two levels deep",
        "gitlab.dataDirectory",
    ),
    "GitLab's data above its directory": (
        put("gitlab.dataDirectory", "/srv/a/../../etc"),
        "gitlab.dataDirectory",
        "two levels deep",
        "gitlab.dataDirectory",
    ),
    "GitLab's memory of no size": (put("gitlab.memory", "small"), "gitlab.memory", "constrained", "gitlab.memory"),
    "GitLab's token for longer than it allows": (
        put("gitlab.tokenDays", 400),
        "gitlab.tokenDays",
        "365",
        "gitlab.tokenDays 180",
    ),
    "GitLab's SSH on the site's port": (
        put("gitlab.sshPort", 443),
        "gitlab.sshPort",
        "443 is GitLab's site's",
        "gitlab.sshPort 2224",
    ),
    "GitLab's registry on the engine's port": (
        put("gitlab.registryPort", 2376),
        "gitlab.registryPort",
        "2376 is the Docker engine's",
        "gitlab.registryPort 4567",
    ),
    "GitLab's SSH where sshd goes": (
        put("gitlab", {"host": "gitlab", "sshPort": 2222, "machineSshPort": 2222}),
        "gitlab.machineSshPort",
        "2222 is git by SSH's",
        "gitlab.machineSshPort 2223",
    ),
    "GitLab's SSH where sshd has been all along": (
        put("hosts.gitlab.port", 80),
        "gitlab.machineSshPort",
        "80 is GitLab's site's",
        "gitlab.machineSshPort 2222",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_setting_is_named_with_its_fix(good: Config, kind: str) -> None:
    require_named(good, BAD[kind])
