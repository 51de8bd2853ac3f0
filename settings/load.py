"""The settings of the stack that Pulumi runs.

Owns what only Pulumi knows: the values, which of them are encrypted, and the stack's outputs of its last `up`. The only
module of `settings` that imports Pulumi.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi.runtime

from settings.problems import NAMESPACE, report
from settings.stack import SettingsError, Stack, parse

KEPT_REPOSITORIES = "keptRepositories"
PROJECTS = "projects"
"""Outputs of the stack, which its next run reads."""


def load() -> Stack:
    """The current stack's settings.

    Raises `pulumi.RunError` with a report of everything that is wrong. Must run before the first resource.
    """
    values = pulumi.runtime.get_config_env() | dict(pulumi.runtime.config.CONFIG.get())
    prefix = f"{NAMESPACE}:"
    own = {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}
    secret = {key for key in own if pulumi.runtime.is_config_secret(prefix + key)}
    try:
        outputs = _outputs()
        return parse(own, secret, outputs.get(KEPT_REPOSITORIES, []), _branches(outputs.get(PROJECTS, {})))
    except SettingsError as error:
        raise pulumi.RunError(report(error.problems, pulumi.get_stack())) from None


def _branches(projects: Mapping[str, Mapping[str, str]]) -> dict[str, str | None]:
    """The default branches by group/name, from the stack's output; one of an older program has none."""
    return {
        "/".join(found["url"].split("/")[-2:]): found.get("branch") for found in projects.values() if "url" in found
    }


def _outputs() -> dict[str, Any]:
    """The stack's outputs, as its last `up` left them."""
    # The engine's own function, which leaves nothing in the state, as a StackReference would.
    name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    limit = time.monotonic() + 10
    while True:
        try:
            answer = pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", {"name": name}).value or {}
        except Exception as error:
            # The engine notes at this very moment that the stack has begun. Where the state is a file, whoever reads it
            # meanwhile may find it empty.
            if "failed to load checkpoint" not in str(error) or time.monotonic() > limit:
                raise
            time.sleep(0.05)
        else:
            return dict(answer.get("outputs", {}))
