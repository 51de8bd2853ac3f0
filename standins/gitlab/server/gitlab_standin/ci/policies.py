"""`only` and `except`, told as `rules`: gitlab-ci-local, which evaluates those, takes no notice of the older keywords.

Owns what they mean (GitLab 19, doc/ci/yaml/deprecated_keywords.md; lib/gitlab/ci/config/entry/policy.rb and
lib/gitlab/ci/build/policy/): every key of `only` has to hold, none of `except` may, and of a key's list one is enough.
What is known here is decided here: branch, tag and source. Variables and changes become rules. Regular expressions are
Python's, not RE2's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_KEYS = {"refs", "variables", "changes"}
_DEFAULT_REFS = ["branches", "tags"]
_PATTERN = re.compile(r"/(?P<pattern>.*)/(?P<flags>i?)")


class PolicyError(ValueError):
    """One that GitLab would refuse, or that is not supported here."""


def to_rules(jobs: dict[str, dict[str, Any]], variables: Mapping[str, str]) -> bool:
    """Replaces both keywords in every job; whether there were any. `variables` are the pipeline's own."""
    found = False
    for name, data in jobs.items():
        if not {"only", "except"} & data.keys():
            continue
        found = True
        if data.get("rules"):
            raise PolicyError(f"jobs:{name} config key may not be used with `rules`: only, except")
        only = _policy(f"jobs:{name}:only", data.pop("only", None), _DEFAULT_REFS)
        without = _policy(f"jobs:{name}:except", data.pop("except", None), [])
        data["rules"] = list(_rules(only, without, data.get("when", "on_success"), variables))
    return found


def _policy(where: str, given: Any, refs: list[str]) -> dict[str, list[str]]:
    """A policy by its keys, the short form as well."""
    if given is None:
        return {"refs": refs}
    policy = {"refs": given} if isinstance(given, list) else given
    if not isinstance(policy, dict):
        raise PolicyError(f"{where} has to be either an array of conditions or a hash")
    if unknown := sorted(policy.keys() - _KEYS):
        # `kubernetes: active` is about clusters by certificate, which GitLab 19 has no more of.
        raise PolicyError(f"not supported by the lab's GitLab: {', '.join(f'{where}:{key}' for key in unknown)}")
    wrong = [key for key, value in policy.items() if not isinstance(value, list)]
    if wrong:
        raise PolicyError(f"{where}:{wrong[0]} should be an array of strings")
    return {"refs": refs, **{key: [str(each) for each in value] for key, value in policy.items()}}


def _rules(
    only: dict[str, list[str]], without: dict[str, list[str]], when: str, variables: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    if not _refs(only["refs"], variables) or _refs(without["refs"], variables):
        yield {"when": "never"}
        return
    for expression in without.get("variables", []):
        yield {"if": expression, "when": "never"}
    if without.get("changes"):
        yield {"changes": without["changes"], "when": "never"}
    changes = {"changes": only["changes"]} if only.get("changes") else {}
    if "variables" in only:
        for expression in only["variables"]:
            yield {"if": expression, **changes, "when": when}
    else:
        yield {**changes, "when": when}


def _refs(patterns: list[str], variables: Mapping[str, str]) -> bool:
    """Whether one of them is the pipeline's: a keyword, a name or an expression, of a certain project with `@`."""
    return any(
        path in ("", variables.get("CI_PROJECT_PATH")) and _ref(pattern, variables)
        for pattern, _, path in (each.partition("@") for each in patterns)
    )


def _ref(pattern: str, variables: Mapping[str, str]) -> bool:
    tag, source = bool(variables.get("CI_COMMIT_TAG")), variables.get("CI_PIPELINE_SOURCE", "")
    if pattern in {"tags" if tag else "branches", source, _plural(source)}:
        return True
    ref = variables.get("CI_COMMIT_REF_NAME", "")
    if not pattern.startswith("/"):
        return pattern == ref
    match = _PATTERN.fullmatch(pattern)
    if match is None:
        return False
    try:
        return bool(re.search(match["pattern"], ref, re.IGNORECASE if match["flags"] else 0))
    except re.error as error:
        raise PolicyError(f"{pattern} is no regular expression: {error}") from None


def _plural(source: str) -> str:
    return f"{source}es" if source.endswith("sh") else f"{source}s"
