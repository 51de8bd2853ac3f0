"""The first commit of a repository: a directory's files in one request to GitLab."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path

from settings.source_files import SourceError, source_files

MESSAGE = "First commit: the files that the project began with"


def read(directory: Path, *, under: str = "") -> dict[str, tuple[bytes, bool]]:
    """Content, and whether it is executable, of every file in `directory` by its path, but what git leaves out.

    `under` goes before each path.
    """
    return {
        f"{under}{path.relative_to(directory).as_posix()}": (path.read_bytes(), os.access(path, os.X_OK))
        for path in source_files(directory)
    }


def read_source(directory: Path) -> tuple[dict[str, tuple[bytes, bool]], dict[str, str]]:
    """What `read` gives of a project's source; or nothing, and the file that tells the script why.

    Whether there is a commit to make is known in GitLab alone. Where there is not, the directory may be gone.
    """
    try:
        return read(directory), {}
    except SourceError as error:
        return {}, {"unusable": error.found}


def request(branch: str, files: Mapping[str, tuple[bytes, bool]]) -> str:
    """The body of `POST /projects/:id/repository/commits` (GitLab's commits API) that creates `files` on `branch`."""
    actions = [
        {
            "action": "create",
            "file_path": path,
            "encoding": "base64",
            "content": base64.b64encode(content).decode(),
            **({"execute_filemode": True} if executable else {}),
        }
        for path, (content, executable) in sorted(files.items())
    ]
    return json.dumps({"branch": branch, "commit_message": MESSAGE, "actions": actions})
