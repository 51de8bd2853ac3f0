"""The files of a directory that become a repository's first commit."""

from __future__ import annotations

from pathlib import Path

import pathspec

SOURCE_LIMIT = 4 * 2**20


class SourceError(Exception):
    """The directory cannot become a commit: what was found and expected; `fix` is what to do in it, if that helps."""

    def __init__(self, found: str, expected: str, fix: str = "") -> None:
        super().__init__(found)
        self.found, self.expected, self.fix = found, expected, fix


def source_files(directory: Path) -> list[Path]:
    """All files in `directory` that `git add` would take, in a fixed order. Raises `SourceError`.

    So neither those of git itself nor what a .gitignore of the directory names. A link to a file of the directory
    stands for a copy of it; one to a directory is left out.
    """
    if not directory.is_dir():
        found = f"{directory}, which is a file" if directory.exists() else f"{directory}, which does not exist"
        raise SourceError(found, "a directory with the project's files")
    files = sorted(_below(directory, directory.resolve(), []))
    size = sum(file.stat().st_size for file in files)
    if size > SOURCE_LIMIT:
        raise SourceError(
            f"{directory} with {size // 2**20} MiB",
            f"at most {SOURCE_LIMIT // 2**20} MiB: it is one request to GitLab, and part of the stack's state",
            f"name what is not to be committed in {directory / '.gitignore'}",
        )
    return files


def _below(directory: Path, root: Path, outer: list[tuple[Path, pathspec.GitIgnoreSpec]]) -> list[Path]:
    """The files below one directory. `outer` are the rules of those above it, with where they hold."""
    rules = [*outer, (directory, _rules(directory / ".gitignore"))]
    found = []
    for path in directory.iterdir():
        is_link = path.is_symlink()
        is_directory = path.is_dir() and not is_link
        if path.name == ".git" or _ignored(path, is_directory, rules):
            continue
        if is_link:
            target = path.resolve()
            if not target.is_relative_to(root) or ".git" in target.relative_to(root).parts:
                raise SourceError(
                    f"{path}, a link that leads to {target}",
                    "files of the directory itself: whatever a link leads to would be everyone's in the project",
                    f"rm {path}, or name it in a .gitignore",
                )
        if is_directory:
            # Like git, this looks at nothing in a directory that is ignored, whatever the rules say of files there.
            found += _below(path, root, rules)
        elif path.is_file():
            found.append(path)
    return found


def _rules(file: Path) -> pathspec.GitIgnoreSpec:
    # Git reads no .gitignore that is a link.
    if file.is_symlink() or not file.is_file():
        return pathspec.GitIgnoreSpec.from_lines([])
    lines = file.read_text("utf-8", errors="surrogateescape").split("\n")
    return pathspec.GitIgnoreSpec.from_lines([line for line in lines if _is_rule(line)])


def _is_rule(line: str) -> bool:
    """Whether git would make something of the line; it passes over one like `!`, at which the library ends."""
    try:
        pathspec.GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True


def _ignored(path: Path, is_directory: bool, rules: list[tuple[Path, pathspec.GitIgnoreSpec]]) -> bool:
    for base, spec in reversed(rules):
        # The rules of the nearest .gitignore that says anything count.
        said = spec.check_file(path.relative_to(base).as_posix() + ("/" if is_directory else "")).include
        if said is not None:
            return said
    return False
