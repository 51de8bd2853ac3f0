"""Which files of a directory become a first commit: those that git itself would add."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from settings.source_files import SourceError, source_files

TREES: dict[str, Mapping[str, str]] = {
    "a binary and secrets": {
        ".gitignore": "/hello\n.env\n*.key\n",
        "hello": "",
        "a/hello": "",
        "a/.env": "",
        "x.key": "",
    },
    "directories": {".gitignore": "build/\n", "build/a": "", "a/build/b": "", "c/build": ""},
    "exceptions": {".gitignore": "*.txt\n!keep.txt\n!docs/\n", "keep.txt": "", "docs/a.txt": "", "docs/keep.txt": ""},
    "nothing below what is ignored": {".gitignore": "out\n!out/keep\n", "out/keep": "", "out/.gitignore": "!*"},
    "all but one": {".gitignore": "/*\n!/src/\n!.gitignore\n", "src/a": "", "b": "", "src/d/e": ""},
    "some of a directory": {".gitignore": "a/*\n!a/b/\n", "a/b/c": "", "a/d": ""},
    "nested": {
        ".gitignore": "*.log\nlogs\n",
        "a/.gitignore": "!*.log\n!logs\n",
        "x.log": "",
        "a/x.log": "",
        "a/logs/y": "",
    },
    "nested and anchored": {"a/.gitignore": "/x\nb/c\n", "x": "", "a/x": "", "a/b/x": "", "a/b/c": "", "b/c": ""},
    "stars": {
        ".gitignore": "a/**/z\n**/q\nf?o\n[a-c].o\n",
        "a/b/c/z": "",
        "a/z": "",
        "d/q": "",
        "foo": "",
        "b.o": "",
        "d.o": "",
    },
    "odd lines": {
        ".gitignore": "# no\n\n!\n\\#yes\nspace \n\\!x\r\ntail\\ \n",
        "#yes": "",
        "space": "",
        "!x": "",
        "tail ": "",
        "no": "",
    },
    "capitals and accents": {".gitignore": "Caf\u00e9\n", "Caf\u00e9": "", "caf\u00e9": ""},
    "a repository inside": {"sub/.git": "gitdir: elsewhere", "a": ""},
}


def make(root: Path, tree: Mapping[str, str]) -> None:
    for name, content in tree.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, newline="")


def names(root: Path) -> list[str]:
    return [file.relative_to(root).as_posix() for file in source_files(root)]


@pytest.mark.skipif(not shutil.which("git"), reason="compares with git")
@pytest.mark.parametrize("kind", [kind for kind in TREES if kind != "a repository inside"])
def test_what_git_would_add(tmp_path: Path, kind: str) -> None:
    make(tmp_path, TREES[kind])
    environment = {
        **os.environ,
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
        "XDG_CONFIG_HOME": "/none",
    }
    subprocess.run(["git", "init", "-q", tmp_path], env=environment, check=True)
    asked = ["git", "-C", str(tmp_path), "ls-files", "-z", "--others", "--exclude-standard"]
    told = subprocess.run(asked, env=environment, capture_output=True, text=True, check=True).stdout
    assert sorted(names(tmp_path)) == sorted(told.split("\0")[:-1])


def test_gits_own_files_are_left_out(tmp_path: Path) -> None:
    make(tmp_path, {**TREES["a repository inside"], ".git/config": "", ".gitignore": "!.git\n"})
    assert names(tmp_path) == [".gitignore", "a"]


def test_a_link_inside_is_a_copy(tmp_path: Path) -> None:
    make(tmp_path / "source", {"a": "content", "d/b": ""})
    (tmp_path / "source" / "d" / "link").symlink_to("../a")
    (tmp_path / "source" / "e").symlink_to("d")
    (tmp_path / "by-another-name").symlink_to("source")
    for root in (tmp_path / "source", tmp_path / "by-another-name"):
        assert names(root) == ["a", "d/b", "d/link"]
        assert (root / "d/link").read_text() == "content"


@pytest.mark.parametrize("target", ["../key", "..", "/nowhere", ".git/config", "../source-too/x"])
def test_a_link_that_leads_out_is_refused(tmp_path: Path, target: str) -> None:
    source = tmp_path / "source"
    make(tmp_path, {"key": "", "source/.git/config": "", "source/a": "", "source-too/x": ""})
    (source / "link").symlink_to(target)
    with pytest.raises(SourceError) as refused:
        source_files(source)
    assert str(source / "link") in refused.value.found
    (source / ".gitignore").write_text("link\n")
    assert names(source) == [".gitignore", "a"]
