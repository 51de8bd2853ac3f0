"""Bare repositories on disk: making, reading and committing, all by the real git."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gitlab_standin.settings import SERVER, Settings

ZERO = "0" * 40
_HOOK = """#!/bin/sh
# Written by the server at its start: asks the internal API.
exec {python} -m gitlab_standin.hook {name} {socket} {secret}
"""


class GitError(RuntimeError):
    """A git command that failed; the message is what it said."""


@dataclass(frozen=True)
class FileChange:
    """One action of a commit: `content` None deletes; `executable` None keeps the mode."""

    path: str
    content: bytes | None
    executable: bool | None = None


class Repositories:
    """The repositories of an installation, at GitLab's hashed paths."""

    def __init__(self, settings: Settings) -> None:
        self._root = settings.repositories
        self._hooks = settings.data / "gitlab-shell/hooks"
        self._settings = settings

    def write_hooks(self) -> None:
        """Write the hooks that every repository uses."""
        self._hooks.mkdir(parents=True, exist_ok=True)
        for name in ("pre-receive", "post-receive"):
            hook = self._hooks / name
            hook.write_text(
                _HOOK.format(
                    python=f"env PYTHONPATH={SERVER}{os.pathsep}{os.pathsep.join(_site_packages())} {sys.executable}",
                    name=name,
                    socket=self._settings.socket,
                    secret=self._settings.shell_secret,
                )
            )
            hook.chmod(0o755)

    def path(self, project_id: int) -> Path:
        digest = hashlib.sha256(str(project_id).encode()).hexdigest()
        return self._root / f"@hashed/{digest[:2]}/{digest[2:4]}/{digest}.git"

    def create(self, project_id: int, default_branch: str) -> None:
        path = self.path(project_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        _run(["git", "init", "--quiet", "--bare", f"--initial-branch={default_branch}", str(path)])
        for name, value in {
            "core.hooksPath": str(self._hooks),
            "http.receivepack": "true",
            "uploadpack.allowFilter": "true",
            "uploadpack.allowAnySHA1InWant": "true",
            "receive.advertisePushOptions": "true",
            "gc.auto": "0",
        }.items():
            self.git(project_id, "config", name, value)

    def delete(self, project_id: int) -> None:
        shutil.rmtree(self.path(project_id), ignore_errors=True)

    def git(
        self, project_id: int, *arguments: str, stdin: bytes | None = None, env: dict[str, str] | None = None
    ) -> bytes:
        """Run git in a repository. Raises GitError."""
        return _run(["git", "--git-dir", str(self.path(project_id)), *arguments], stdin, env)

    def resolve(self, project_id: int, ref: str) -> str | None:
        """The commit of a branch, tag or SHA; branches first, as GitLab."""
        for name in (f"refs/heads/{ref}", f"refs/tags/{ref}", ref):
            if name.startswith("-"):
                return None
            try:
                return self.git(project_id, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").decode().strip()
            except GitError:
                continue
        return None

    def branch(self, project_id: int, name: str) -> str | None:
        """A branch's commit."""
        try:
            return self.git(project_id, "rev-parse", "--verify", "--quiet", f"refs/heads/{name}").decode().strip()
        except GitError:
            return None

    def refs(self, project_id: int, kind: str) -> list[tuple[str, str]]:
        """Branches ('heads') or tags: name and commit."""
        listing = self.git(
            project_id, "for-each-ref", "--format=%(refname:lstrip=2)%00%(objectname)%00%(*objectname)", f"refs/{kind}"
        ).decode()
        found = []
        for line in listing.splitlines():
            name, sha, peeled = line.split("\0")
            found.append((name, peeled or sha))
        return found

    def is_empty(self, project_id: int) -> bool:
        return not self.git(project_id, "for-each-ref", "--count=1", "refs/heads").strip()

    def read(self, project_id: int, commit: str, path: str) -> tuple[bytes, str, str] | None:
        """A file's content, blob id and mode at a commit."""
        listing = self.git(project_id, "ls-tree", "-z", commit, "--", path)
        for entry in listing.split(b"\0"):
            meta, _, name = entry.partition(b"\t")
            if name.decode() == path and b" blob " in meta:
                mode, _, blob = meta.decode().split()
                return self.git(project_id, "cat-file", "blob", blob), blob, mode
        return None

    def is_ancestor(self, project_id: int, old: str, new: str) -> bool:
        try:
            self.git(project_id, "merge-base", "--is-ancestor", old, new)
        except GitError:
            return False
        return True

    def commit(
        self,
        project_id: int,
        parent: str | None,
        changes: list[FileChange],
        message: str,
        author: tuple[str, str],
    ) -> str:
        """Make a commit on top of `parent`; no ref is moved. Returns its id."""
        with tempfile.TemporaryDirectory(prefix="gitlab-index-") as folder:
            env = {
                "GIT_INDEX_FILE": f"{folder}/index",
                "GIT_AUTHOR_NAME": author[0],
                "GIT_AUTHOR_EMAIL": author[1],
                "GIT_COMMITTER_NAME": author[0],
                "GIT_COMMITTER_EMAIL": author[1],
            }
            if parent:
                self.git(project_id, "read-tree", parent, env=env)
            lines = "".join(self._index_line(project_id, change, env) for change in changes)
            self.git(project_id, "update-index", "--add", "--index-info", stdin=lines.encode(), env=env)
            tree = self.git(project_id, "write-tree", env=env).decode().strip()
            parents = ["-p", parent] if parent else []
            return self.git(project_id, "commit-tree", tree, *parents, stdin=message.encode(), env=env).decode().strip()

    def _index_line(self, project_id: int, change: FileChange, env: dict[str, str]) -> str:
        """A change as `git update-index --index-info` reads it."""
        if change.content is None:
            return f"0 {ZERO}\t{change.path}\n"
        blob = self.git(project_id, "hash-object", "-w", "--stdin", stdin=change.content).decode().strip()
        mode = "100755" if change.executable else "100644"
        if change.executable is None:
            kept = self.git(project_id, "ls-files", "--stage", "--", change.path, env=env).split()
            mode = kept[0].decode() if kept else mode
        return f"{mode} {blob}\t{change.path}\n"

    @contextmanager
    def checkout(self, project_id: int, commit: str) -> Iterator[Path]:
        """A temporary clone with the files of a commit, for the CI language's `local:` and `exists:`."""
        with tempfile.TemporaryDirectory(prefix="gitlab-ci-") as folder:
            clone = Path(folder) / "source"
            _run(["git", "clone", "--quiet", "--shared", "--no-checkout", str(self.path(project_id)), str(clone)])
            _run(["git", "-C", str(clone), "-c", "advice.detachedHead=false", "checkout", "--quiet", commit])
            yield clone


def _site_packages() -> list[str]:
    return [entry for entry in sys.path if entry.endswith(("site-packages", "dist-packages"))]


def _run(command: list[str], stdin: bytes | None = None, env: dict[str, str] | None = None) -> bytes:
    done = subprocess.run(
        command,
        input=stdin if stdin is not None else b"",
        capture_output=True,
        env={**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8", **(env or {})},
        check=False,
    )
    if done.returncode:
        raise GitError((done.stderr or done.stdout).decode(errors="replace").strip() or f"{command}: {done.returncode}")
    return done.stdout
