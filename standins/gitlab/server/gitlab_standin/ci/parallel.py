"""`parallel`: one job of the configuration as the several that a pipeline gets.

Owns their names and what each gets of its own (GitLab 19, lib/gitlab/ci/config/normalizer/). gitlab-ci-local has them
as well, but by other names.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from typing import Any

MOST = 200
"""Jobs that one may become (GitLab 19, doc/ci/yaml/_index.md)."""


class ParallelError(ValueError):
    """What GitLab would refuse."""


def expand(configuration: dict[str, Any], jobs: dict[str, dict[str, Any]]) -> bool:
    """Puts the several in the place of each of `jobs` that is parallel; whether one was. Others' needs follow.

    Each gets `parallel: {index, total}` and, of a matrix, its variables.
    """
    made = {name: list(_several(name, data)) for name, data in jobs.items() if "parallel" in data}
    if not made:
        return False
    there = list(configuration.items())
    configuration.clear()
    for key, value in there:
        # In the same place: the order of jobs is the one they are shown in.
        configuration.update(made.get(key, [(key, value)]))
    for data in configuration.values():
        if isinstance(data, dict):
            _follow(data, made)
    return True


def _several(name: str, data: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    wanted = data["parallel"]
    matrix = wanted.get("matrix") if isinstance(wanted, dict) else None
    combinations = list(_combinations(matrix)) if matrix else [{}] * (wanted if isinstance(wanted, int) else 0)
    total = len(combinations)
    if not 0 < total <= MOST:
        raise ParallelError(f"jobs:{name}:parallel makes {total} jobs: expected 1 to {MOST}")
    for index, values in enumerate(combinations, 1):
        one = copy.deepcopy(data)
        one["parallel"] = {"index": index, "total": total}
        if values:
            one["variables"] = {**(one.get("variables") or {}), **values}
        yield (f"{name}: [{', '.join(values.values())}]" if values else f"{name} {index}/{total}"), one


def _combinations(matrix: list[dict[str, Any]]) -> Iterator[dict[str, str]]:
    for entry in matrix:
        choices = [value if isinstance(value, list) else [value] for value in entry.values()]
        for chosen in itertools.product(*choices):
            yield dict(zip(entry, map(str, chosen), strict=True))


def _follow(data: dict[str, Any], made: dict[str, list[tuple[str, dict[str, Any]]]]) -> None:
    """Whoever needs a job that has become several needs all of them, or those of a matrix that it says."""
    if isinstance(data.get("needs"), list):
        data["needs"] = [each for need in data["needs"] for each in _needed(need, made)]
    if isinstance(data.get("dependencies"), list):
        data["dependencies"] = [
            each for name in data["dependencies"] for each in ([key for key, _ in made.get(name, [])] or [name])
        ]


def _needed(need: dict[str, Any], made: dict[str, list[tuple[str, dict[str, Any]]]]) -> Iterator[dict[str, Any]]:
    if need.get("job") not in made:
        yield need
        return
    rest = {key: value for key, value in need.items() if key != "parallel"}
    chosen = (need.get("parallel") or {}).get("matrix")
    wanted = list(_combinations(chosen)) if chosen else [{}]
    for name, data in made[need["job"]]:
        variables = {key: str(value) for key, value in (data.get("variables") or {}).items()}
        if any(values.items() <= variables.items() for values in wanted):
            yield {**rest, "job": name}
