"""gitlab-shell: what sshd runs for someone who has a key. `authorized-keys KEY` answers sshd's question before that."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path

from gitlab_standin.internal_client import ask, ask_text

_COMMANDS = {"git-upload-pack": 2, "git-receive-pack": 2, "git-upload-archive": 2, "git-lfs-authenticate": 3}
"""How many words each has: itself, the project, and for LFS what for."""


def main(arguments: list[str]) -> int:
    socket = Path(os.environ.get("GITLAB_SHELL_SOCKET", "/run/gitlab/internal.sock"))
    secret = Path(os.environ.get("GITLAB_SHELL_SECRET", "/var/opt/gitlab/gitlab-shell/.gitlab_shell_secret"))
    if arguments[:1] == ["authorized-keys"]:
        print(ask_text(socket, secret, "authorized_keys", {"key": " ".join(arguments[1:])}), end="")
        return 0
    who = arguments[0]
    words = shlex.split(os.environ.get("SSH_ORIGINAL_COMMAND", ""))
    if words[:1] == ["git"] and len(words) > 1:
        words = [f"git-{words[1]}", *words[2:]]
    if not words:
        print(f"Welcome to GitLab, @{ask(socket, secret, 'allowed', {'who': who})['user']}!")
        return 0
    if _COMMANDS.get(words[0]) != len(words):
        print(f"remote: ERROR: {words[0]} is not supported by the lab's GitLab", file=sys.stderr)
        return 1
    answer = ask(socket, secret, "allowed", {"who": who, "command": words[0], "project": words[1]})
    if not answer["status"]:
        rule = "=" * 72
        print(
            "\n".join(f"remote: {line}" for line in ("", rule, "", f"ERROR: {answer['message']}", "", rule, "")),
            file=sys.stderr,
        )
        return 1
    if "answer" in answer:
        print(json.dumps(answer["answer"]))
        return 0
    env = {**os.environ, **answer["environment"], "LC_ALL": "C.UTF-8"}
    os.execvpe("git", ["git", words[0].removeprefix("git-"), answer["path"]], env)
    raise AssertionError("execvpe returned")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
