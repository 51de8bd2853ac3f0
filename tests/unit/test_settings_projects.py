"""Wrong settings of projects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pulumi
import pytest

import settings
from settings.problems import report
from tests.unit.program import ROOT, Run, load_with, unpacked
from tests.unit.settings_cases import HELLO, Config, problems

# The projects; the key that must be named; words of what is expected; words of the fix.
BAD: dict[str, tuple[list[object], str, str, str]] = {
    "no group": ([{"name": "a", "pipeline": "auto"}], "projects[0].group", "the group", "projects[0].group"),
    "no pipeline": ([{"group": "a", "name": "a"}], "projects[0].pipeline", "GitLab's Auto DevOps", "custom"),
    "unknown pipeline": ([HELLO | {"pipeline": "autos"}], "projects[0].pipeline", "'auto'", " auto"),
    "unknown key": ([HELLO | {"brnch": "main"}], "projects[0].brnch", "did you mean projects[0].branch", "config rm"),
    "capitals": ([HELLO | {"name": "Hello"}], "projects[0].name", "lower-case letters", "projects[0].name"),
    "two hyphens": ([HELLO | {"name": "a--b"}], "projects[0].name", "single hyphens", "projects[0].name"),
    "GitLab's first user": ([HELLO | {"group": "root"}], "projects[0].group", "neither GitLab nor", "team"),
    "GitLab's own group": ([HELLO | {"group": "admin"}], "projects[0].group", "neither GitLab nor", "team"),
    "platform's own group": ([HELLO | {"group": "auto-devops"}], "projects[0].group", "nor the platform", "team"),
    "GitLab's own project": ([HELLO | {"name": "tree"}], "projects[0].name", "GitLab does not use", "hello"),
    "cluster's own namespace": (
        [{"group": "kube", "name": "system", "pipeline": "auto"}],
        "projects[0].name",
        "the namespace kube-system",
        "hello",
    ),
    "runner's own namespace": (
        [{"group": "gitlab", "name": "runner", "pipeline": "auto"}],
        "projects[0].name",
        "the namespace gitlab-runner",
        "hello",
    ),
    "too long": ([HELLO | {"name": "a" * 60}], "projects[0].name", "one label in DNS", "SHORTER"),
    "too long for Helm": ([HELLO | {"group": "a", "name": "b" * 54}], "projects[0].name", "at most 53", "SHORTER"),
    "twice": ([HELLO, HELLO], "projects[1].name", "projects[0] is team-hello already", "config rm"),
    "the same name in DNS": (
        [{"group": "a-b", "name": "c", "pipeline": "auto"}, {"group": "a", "name": "b-c", "pipeline": "auto"}],
        "projects[1].name",
        "projects[0] is a-b-c already",
        "projects[1]",
    ),
    "no directory": ([HELLO | {"source": "/nowhere"}], "projects[0].source", "a directory", "projects[0].source"),
    "directory without a pipeline": (
        [HELLO | {"source": str(ROOT / "charts")}],
        "projects[0].source",
        ".gitlab-ci.yml",
        "services/hello-custom",
    ),
    "bad branch": ([HELLO | {"branch": "a..b"}], "projects[0].branch", "a branch's name", "main"),
    "bad variable": (
        [HELLO | {"variables": {"A-B": "c"}}],
        "projects[0].variables.A-B",
        "variable's name",
        "config rm",
    ),
    "short secret": ([HELLO | {"secrets": {"KEY": "short"}}], "projects[0].secrets.KEY", "at least 8", "--secret"),
    "secret in plain text": (
        [HELLO | {"secrets": {"KEY": "long-enough"}}],
        "projects[0].secrets.KEY",
        "an encrypted secret",
        "config set --secret",
    ),
    "variable and secret": (
        [HELLO | {"variables": {"KEY": "a"}, "secrets": {"KEY": "long-enough"}}],
        "projects[0].variables.KEY",
        "one value",
        "config rm",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_project_is_named_with_its_fix(good: Config, kind: str) -> None:
    projects, key, expected, fix = BAD[kind]
    good["projects"] = projects
    found = problems(good)
    named = [p for p in found if p.key == key]
    assert named, f"no problem of {key} in {found}"
    assert any(expected in p.expected and fix in p.fix for p in named), named


def test_projects_are_a_list(good: Config) -> None:
    good["projects"] = '{"hello": {}}'
    assert [(p.key, p.expected) for p in problems(good)] == [("projects", "a list")]


def test_projects_need_gitlab_and_a_cluster(good: Config) -> None:
    good["projects"] = [HELLO]
    del good["gitlab"], good["kubernetes"]
    assert {p.key for p in problems(good)} == {"gitlab.host", "kubernetes.host"}


def test_secrets_are_never_shown(good: Config) -> None:
    good["projects"] = [HELLO | {"secrets": {"KEY": "two words"}}]
    text = report(problems(good), "dev")
    assert "two words" not in text
    assert "[hidden]" in text


def test_a_secret_in_a_misspelt_object_is_not_shown(good: Config) -> None:
    good["projects"] = [HELLO | {"secretes": {"KEY": "correct horse"}}]
    assert "correct horse" not in report(problems(good), "dev")


def test_names_as_long_as_they_may_be(good: Config) -> None:
    custom, auto = HELLO | {"group": "c", "name": "1" * 53}, HELLO | {"name": "a" * 58, "pipeline": "auto"}
    assert [p.slug for p in settings.parse(good | {"projects": [custom, auto]}).projects] == [
        "c-" + "1" * 53,
        "team-" + "a" * 58,
    ]


def test_a_project_is_not_lost_with_its_entry(good: Config, run_afresh: Run) -> None:
    """The stack remembers whom it must keep; nothing is registered, so nothing is deleted."""
    with pytest.raises(
        pulumi.RunError, match=r"no team/lost any more.*\n.*\n.*keepRepository to false there"
    ) as refused:
        run_afresh(good | {"projects": [HELLO]}, remembered={"keptRepositories": ["team/hello", "team/lost"]})
    assert "team/hello" not in str(refused.value)


def test_a_wrong_entry_is_not_taken_for_a_lost_project(good: Config) -> None:
    good["projects"] = [HELLO | {"brnch": "main"}]
    with pytest.raises(settings.SettingsError) as caught:
        settings.parse(good, kept_repositories=["team/hello"])
    assert [p.key for p in caught.value.problems] == ["projects[0].brnch"]


def test_encrypted_secrets_are_fine(good: Config) -> None:
    good["projects"] = [HELLO | {"secrets": {"KEY": "long-enough"}}]
    parsed = settings.parse(good, {"projects"})
    assert parsed.projects[0].secrets["KEY"].get_secret_value() == "long-enough"


def test_a_source_that_is_too_large(good: Config, tmp_path: Path) -> None:
    (tmp_path / ".gitlab-ci.yml").write_text("")
    (tmp_path / "large").write_bytes(bytes(5 * 2**20))
    good["projects"] = [HELLO | {"source": str(tmp_path)}]
    assert [p.key for p in problems(good)] == ["projects[0].source"]
    (tmp_path / ".git").mkdir()
    (tmp_path / "large").rename(tmp_path / ".git" / "large")
    assert settings.parse(good).projects[0].source == tmp_path, "git's own files are not committed"


def test_what_git_ignores_is_no_part_of_a_source(good: Config, tmp_path: Path) -> None:
    (tmp_path / ".gitlab-ci.yml").write_text("")
    (tmp_path / "binary").write_bytes(bytes(5 * 2**20))
    good["projects"] = [HELLO | {"source": str(tmp_path)}]
    assert ".gitignore" in problems(good)[0].fix
    (tmp_path / ".gitignore").write_text("/binary\n")
    settings.parse(good)
    (tmp_path / ".gitignore").write_text("/binary\n.gitlab-ci.yml\n")
    assert [p.found for p in problems(good)] == [f"{tmp_path}, in which there is none"]


def test_a_link_that_leads_out_of_a_source(good: Config, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / ".gitlab-ci.yml").write_text("")
    (tmp_path / "key").write_text("mine alone")
    (source / "link").symlink_to("../key")
    good["projects"] = [HELLO | {"source": str(source)}]
    (problem,) = problems(good)
    assert (problem.key, problem.found) == (
        "projects[0].source",
        f"{source}/link, a link that leads to {tmp_path}/key",
    )
    assert problem.fix.startswith(f"rm {source}/link, ")


def there(path: str, **more: str) -> Config:
    """The stack's outputs, with a project in them."""
    addresses = {"url": f"https://gitlab.devops.example.com/{path}", **more}
    return {"keptRepositories": [path], "projects": {path.replace("/", "-"): addresses}}


def test_the_directory_of_a_first_commit_may_go_afterwards(good: Config, tmp_path: Path, run_afresh: Run) -> None:
    """As may its links out and its size; the commit's own resource stays in the stack, and asks for nothing."""
    good["projects"] = [HELLO | {"source": str(tmp_path / "gone")}]
    with pytest.raises(pulumi.RunError, match="gone, which does not exist"):
        run_afresh(good)
    with pytest.raises(pulumi.RunError, match="gone, which does not exist"):
        run_afresh(good, remembered=there("team/other") | {"keptRepositories": []})
    recorder = run_afresh(good, remembered=there("team/hello"))
    commit = recorder.one("project-team-hello-first-commit", "command:remote:Command")
    assert commit.ignore_changes == ["create", "stdin"]
    assert unpacked(commit)["files/unusable"] == f"{tmp_path}/gone, which does not exist"
    assert json.loads(unpacked(commit)["files/commit.json"])["actions"] == []


def test_the_default_branch_stays(good: Config, run_afresh: Run) -> None:
    """Only its protection follows the setting: the branch itself would be without."""
    good["projects"] = [HELLO | {"branch": "trunk"}]
    with pytest.raises(pulumi.RunError) as refused:
        run_afresh(good, remembered=there("team/hello", branch="main"))
    assert "auto-devops:projects[0].branch" in str(refused.value)
    assert "main, the default branch of team/hello" in str(refused.value)
    assert "pulumi config set --path 'auto-devops:projects[0].branch' main" in str(refused.value)
    load_with(good, there("team/hello", branch="trunk"))
    load_with(good, there("team/hello"))
    load_with(good, there("team/other", branch="main") | {"keptRepositories": []})


def test_a_project_is_not_called_as_the_agents_release(good: Config) -> None:
    good["projects"] = [HELLO | {"name": "gitlab-agent"}]
    settings.parse(good)
    good["ci"] = {"clusterLink": "agent"}
    (problem,) = problems(good)
    assert problem.key == "projects[0].name"
    assert "GitLab's agent" in problem.expected


def test_a_state_that_is_being_written_is_read_again(
    good: Config, run_afresh: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the state is a file, the engine empties it before it writes the stack's beginning."""
    invoke, asked = pulumi.runtime.invoke, []

    def empty_at_first(*arguments: Any) -> Any:
        asked.append(arguments)
        if len(asked) < 3:
            raise RuntimeError("readStackOutputs returned an error: failed to load checkpoint: EOF")
        return invoke(*arguments)

    monkeypatch.setattr(pulumi.runtime, "invoke", empty_at_first)
    with pytest.raises(pulumi.RunError, match="no team/lost any more"):
        run_afresh(good | {"projects": [HELLO]}, remembered={"keptRepositories": ["team/hello", "team/lost"]})
    assert len(asked) == 3
