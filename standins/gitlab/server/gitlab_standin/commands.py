"""The commands inside the container: gitlab-ctl, gitlab-rails, gitlab-backup, gitlab-shell, the health check."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

from gitlab_standin import backup, shell
from gitlab_standin.configure import drop_privileges, give_away
from gitlab_standin.rails_runner import RubyError, Runner, read_program
from gitlab_standin.services import status_lines
from gitlab_standin.settings import Settings
from gitlab_standin.site import Site
from gitlab_standin.supervisor import BASE, control_socket
from gitlab_standin.vault import Vault


def _settings() -> Settings:
    """The settings that run; GITLAB_STANDIN_SETTINGS names another installation's."""
    from gitlab_standin import server

    file = Path(os.environ.get("GITLAB_STANDIN_SETTINGS", BASE.run / "settings.json"))
    if not file.exists():
        sys.exit("GitLab is not configured yet; see docker logs gitlab")
    return server.load(file.read_text())


def ctl(arguments: list[str]) -> int:
    """gitlab-ctl"""
    match arguments:
        case ["status"]:
            lines, fine = status_lines(_settings())
            print("\n".join(lines))
            return 0 if fine else 1
        case ["backup-etc"]:
            print(f"Configuration backup archive complete: {backup.backup_etc(_settings())}")
            return 0
        case ["reconfigure"] | ["hup", "nginx"] | [("start" | "stop" | "restart"), *_]:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(control_socket(_settings())))
                with connection.makefile("rw") as stream:
                    stream.write(json.dumps({"command": arguments[0], "services": arguments[1:]}) + "\n")
                    stream.flush()
                    answer = json.loads(stream.readline())
            print("\n".join(answer["lines"]))
            return int(answer["status"])
    print(f"gitlab-ctl {' '.join(arguments)}: not supported by the lab's GitLab", file=sys.stderr)
    return 2


def rails(arguments: list[str]) -> int:
    """gitlab-rails"""
    if len(arguments) != 2 or arguments[0] not in {"runner", "r"}:
        print(
            f"gitlab-rails {' '.join(arguments)}: not supported by the lab's GitLab; "
            "use: gitlab-rails runner FILE|CODE|-",
            file=sys.stderr,
        )
        return 2
    source, what = read_program(arguments[1])
    settings = _settings()
    secrets = Vault(settings.secrets)
    drop_privileges(settings)
    try:
        Runner(Site(settings, secrets), print).run(source, what)
    except RubyError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def gitlab_backup(arguments: list[str]) -> int:
    """gitlab-backup"""
    values = dict(word.partition("=")[::2] for word in arguments[1:])
    settings = _settings()
    try:
        if arguments[:1] == ["create"] and not values:
            backup.create(settings, print)
            give_away(settings)
            return 0
        if arguments[:1] == ["restore"] and set(values) <= {"BACKUP", "force"}:
            if values.get("force") != "yes":
                print("this removes what is in GitLab now; say so with force=yes", file=sys.stderr)
                return 1
            if "run: puma" in "\n".join(status_lines(settings)[0]):
                print("stop GitLab's processes first: gitlab-ctl stop puma; gitlab-ctl stop sidekiq", file=sys.stderr)
                return 1
            backup.restore(settings, values.get("BACKUP"), print)
            give_away(settings)
            return 0
    except backup.BackupError as error:
        print(f"gitlab-backup: {error}", file=sys.stderr)
        return 1
    print(f"gitlab-backup {' '.join(arguments)}: not supported by the lab's GitLab", file=sys.stderr)
    return 2


_COMMANDS = {"gitlab-ctl": ctl, "gitlab-rails": rails, "gitlab-backup": gitlab_backup, "gitlab-shell": shell.main}


if __name__ == "__main__":
    sys.exit(_COMMANDS[Path(sys.argv[1]).name](sys.argv[2:]))
