"""Words of the CI language that the stand-in itself gives their meaning: `only`, `except` and `parallel`."""

from __future__ import annotations

from typing import Any

import pytest
from gitlab_standin.ci import parallel, policies, reports

BRANCH = {
    "CI_COMMIT_BRANCH": "main",
    "CI_COMMIT_REF_NAME": "main",
    "CI_PIPELINE_SOURCE": "push",
    "CI_PROJECT_PATH": "demo/hello",
}
TAG = {"CI_COMMIT_TAG": "v1", "CI_COMMIT_REF_NAME": "v1", "CI_PIPELINE_SOURCE": "web", "CI_PROJECT_PATH": "demo/hello"}
NEVER = [{"when": "never"}]
ALWAYS = [{"when": "on_success"}]


def rules(variables: dict[str, str], **job: Any) -> Any:
    jobs = {"job": {"script": ["x"], **job}}
    assert policies.to_rules(jobs, variables)
    assert not {"only", "except"} & jobs["job"].keys()
    return jobs["job"]["rules"]


@pytest.mark.parametrize(
    ("pattern", "branch", "tag"),
    [
        ("branches", True, False),
        ("tags", False, True),
        ("main", True, False),
        ("v1", False, True),
        ("mai", False, False),
        ("/^ma/", True, False),
        ("/^MA/", False, False),
        ("/^MA/i", True, False),
        ("/a/", True, False),
        ("pushes", True, False),
        ("push", True, False),
        ("web", False, True),
        ("schedules", False, False),
        ("branches@demo/hello", True, False),
        ("branches@demo/other", False, False),
    ],
)
def test_refs(pattern: str, branch: bool, tag: bool) -> None:
    for variables, expected in ((BRANCH, branch), (TAG, tag)):
        assert rules(variables, only=[pattern]) == (ALWAYS if expected else NEVER)
        assert rules(variables, **{"except": [pattern]}) == (NEVER if expected else ALWAYS)
        assert rules(variables, only={"refs": ["nothing", pattern]}) == (ALWAYS if expected else NEVER)


def test_every_key_of_only_has_to_hold() -> None:
    found = rules(BRANCH, only={"variables": ["$A", "$B"], "changes": ["*.md"]}, when="manual")
    assert found == [
        {"if": "$A", "changes": ["*.md"], "when": "manual"},
        {"if": "$B", "changes": ["*.md"], "when": "manual"},
    ]
    assert rules(BRANCH, only={"refs": ["other"], "variables": ["$A"]}) == NEVER


def test_one_key_of_except_is_enough() -> None:
    found = rules(BRANCH, only=["main"], **{"except": {"variables": ["$A"], "changes": ["*.md"]}})
    assert found == [{"if": "$A", "when": "never"}, {"changes": ["*.md"], "when": "never"}, *ALWAYS]


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ({"only": ["main"], "rules": [{"if": "$A"}]}, "may not be used with `rules`"),
        ({"only": "main"}, "jobs:job:only has to be either an array of conditions or a hash"),
        ({"except": {"refs": "main"}}, "jobs:job:except:refs should be an array of strings"),
        ({"only": {"kubernetes": "active"}}, "not supported by the lab's GitLab: jobs:job:only:kubernetes"),
        ({"only": ["/(/"]}, "no regular expression"),
    ],
)
def test_what_is_refused(job: dict[str, Any], said: str) -> None:
    with pytest.raises(policies.PolicyError) as refusal:
        rules(BRANCH, **job)
    assert said in str(refusal.value)


def test_jobs_without_the_older_words_stay_as_they_are() -> None:
    jobs = {"job": {"script": ["x"]}}
    assert not policies.to_rules(jobs, BRANCH)
    assert jobs == {"job": {"script": ["x"]}}


def expanded(jobs: dict[str, Any]) -> dict[str, Any]:
    configuration = {"stages": ["test"], **jobs}
    assert parallel.expand(configuration, {name: data for name, data in configuration.items() if name != "stages"})
    return configuration


def test_a_number_of_jobs() -> None:
    found = expanded({"a": {"script": []}, "b": {"script": [], "parallel": 2}, "c": {"script": []}})
    assert list(found) == ["stages", "a", "b 1/2", "b 2/2", "c"]
    assert [found[name]["parallel"] for name in ("b 1/2", "b 2/2")] == [
        {"index": 1, "total": 2},
        {"index": 2, "total": 2},
    ]


MATRIX = {"variables": {"A": "0", "C": "c"}, "parallel": {"matrix": [{"A": [1, 2], "B": "x"}, {"A": "3"}]}}


def test_a_matrix_of_jobs() -> None:
    found = expanded({"b": MATRIX})
    assert [(name, found[name]["variables"]) for name in list(found)[1:]] == [
        ("b: [1, x]", {"A": "1", "B": "x", "C": "c"}),
        ("b: [2, x]", {"A": "2", "B": "x", "C": "c"}),
        ("b: [3]", {"A": "3", "C": "c"}),
    ]


@pytest.mark.parametrize(
    ("need", "names"),
    [
        ({"job": "b"}, ["b: [1, x]", "b: [2, x]", "b: [3]"]),
        ({"job": "b", "parallel": {"matrix": [{"A": [1, 3]}]}}, ["b: [1, x]", "b: [3]"]),
        ({"job": "other"}, ["other"]),
    ],
)
def test_who_needs_one_needs_all_of_it(need: dict[str, Any], names: list[str]) -> None:
    found = expanded({"b": MATRIX, "c": {"needs": [{**need, "artifacts": True}], "dependencies": ["b", "other"]}})
    assert found["c"]["needs"] == [{"job": name, "artifacts": True} for name in names]
    assert found["c"]["dependencies"] == ["b: [1, x]", "b: [2, x]", "b: [3]", "other"]


@pytest.mark.parametrize("wanted", [0, 201, {"matrix": []}])
def test_too_few_or_too_many(wanted: Any) -> None:
    with pytest.raises(parallel.ParallelError, match="expected 1 to 200"):
        expanded({"b": {"parallel": wanted}})


def test_coverage_is_one_word_for_two_reports() -> None:
    given = {"junit": ["a.xml", "b.xml"], "coverage_report": {"coverage_format": "cobertura", "path": "c.xml"}}
    assert reports.unknown(given) == []
    assert reports.wanted(given) == {"junit": ["a.xml", "b.xml"], "cobertura": ["c.xml"]}
    assert reports.unknown({"cobertura": "c.xml", "jnuit": "a.xml"}) == ["cobertura", "jnuit"]
    assert reports.unknown({"coverage_report": {"coverage_format": "lcov", "path": "c"}}) == [
        "coverage_report:coverage_format"
    ]
