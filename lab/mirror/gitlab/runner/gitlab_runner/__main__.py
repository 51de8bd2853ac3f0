"""The command line of gitlab-runner: what of it this stand-in performs. Anything else is an error by name."""

from __future__ import annotations

import argparse
import os
import pwd
import sys
import tomllib
from pathlib import Path
from typing import Any

from . import VERSION, config
from .api import GitLab, certificate_file
from .config import Runner
from .logs import RunnerError, error, log
from .manager import Manager
from .system_id import system_id
from .toml import dump

_CONFIG = Path("/etc/gitlab-runner/config.toml")


def main(words: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = _parser()
    chosen = parser.parse_args(words)
    try:
        match chosen.command:
            case "run":
                return _run(chosen)
            case "register":
                return _register(chosen)
            case "list":
                return _list(chosen)
            case "verify":
                return _verify(chosen)
            case "unregister":
                return _unregister(chosen)
    except RunnerError as problem:
        print(f"FATAL: {problem}", file=sys.stderr)
        return 1
    parser.print_usage(sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    # An abbreviation would be another option than the one that GitLab Runner has.
    parser = argparse.ArgumentParser(prog="gitlab-runner", allow_abbrev=False, description=__doc__)
    parser.add_argument("--version", "-v", action="version", version=_version())
    commands = parser.add_subparsers(dest="command")

    def command(name: str, help: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=help, allow_abbrev=False)
        made.add_argument("-c", "--config", type=Path, default=Path(os.environ.get("CONFIG_FILE") or _CONFIG))
        return made

    run = command("run", "run the jobs of all registered runners")
    run.add_argument("--user", "-u", default="")
    run.add_argument("--working-directory", "-d", default="")
    register = command("register", "add a runner to the configuration")
    register.add_argument("--non-interactive", "-n", action="store_true")
    register.add_argument("--url", "-u", default=os.environ.get("CI_SERVER_URL", ""))
    register.add_argument("--token", "-t", default=os.environ.get("CI_SERVER_TOKEN", ""))
    register.add_argument("--name", "--description", default=os.environ.get("RUNNER_NAME", ""))
    register.add_argument("--executor", default=os.environ.get("RUNNER_EXECUTOR", ""))
    register.add_argument("--tls-ca-file", default=os.environ.get("CI_SERVER_TLS_CA_FILE", ""))
    register.add_argument("--env", action="append", default=[])
    register.add_argument("--pre-build-script", default="")
    register.add_argument("--clone-url", default="")
    register.add_argument("--docker-image", default=os.environ.get("DOCKER_IMAGE", ""))
    register.add_argument("--docker-helper-image", default="")
    register.add_argument("--docker-privileged", action="store_true")
    register.add_argument("--docker-network-mode", default="")
    for name in ("volumes", "extra-hosts", "pull-policy", "allowed-images", "dns"):
        register.add_argument(f"--docker-{name}", action="append", default=[])
    command("list", "show the registered runners")
    verify = command("verify", "ask the servers whether they know the runners")
    unregister = command("unregister", "remove runners at the server and here")
    unregister.add_argument("--all-runners", action="store_true")
    for each in (verify, unregister):
        each.add_argument("--name", default="")
        each.add_argument("--token", default="")
    verify.add_argument("--delete", action="store_true", help="take those out that the server does not know")
    return parser


def _version() -> str:
    return (
        f"Version:      {VERSION}\nGit revision: standin (the lab's stand-in for GitLab Runner)\n"
        "OS/Arch:      linux/amd64"
    )


def _run(chosen: argparse.Namespace) -> int:
    if chosen.user:
        try:
            pwd.getpwnam(chosen.user)
        except KeyError:
            raise RunnerError(f"--user={chosen.user}: there is no such user") from None
    if chosen.working_directory:
        try:
            os.chdir(chosen.working_directory)
        except OSError as problem:
            raise RunnerError(f"--working-directory: {problem}") from None
    return Manager(chosen.config).run()


def _register(chosen: argparse.Namespace) -> int:
    if not chosen.non_interactive:
        raise RunnerError("register asks no questions in this stand-in: add --non-interactive")
    docker: dict[str, Any] = {
        "tls_verify": False,
        "image": chosen.docker_image,
        "privileged": chosen.docker_privileged,
        "disable_entrypoint_overwrite": False,
        "oom_kill_disable": False,
        "disable_cache": False,
        "volumes": chosen.docker_volumes or ["/cache"],
        "shm_size": 0,
        "network_mtu": 0,
        "helper_image": chosen.docker_helper_image,
        "network_mode": chosen.docker_network_mode,
        "extra_hosts": chosen.docker_extra_hosts,
        "pull_policy": chosen.docker_pull_policy,
        "allowed_images": chosen.docker_allowed_images,
        "dns": chosen.docker_dns,
    }
    entry: dict[str, Any] = {
        "name": chosen.name or os.uname().nodename,
        "url": chosen.url,
        "token": chosen.token,
        "executor": chosen.executor,
        "tls-ca-file": chosen.tls_ca_file,
        "clone_url": chosen.clone_url,
        "environment": chosen.env,
        "pre_build_script": chosen.pre_build_script,
        "docker": {key: value for key, value in docker.items() if value not in ("", [])},
    }
    entry = {key: value for key, value in entry.items() if value not in ("", [])}
    runner = config.parse(dump({"runners": [entry]}), "what was given").runners[0]
    found = _table(chosen.config)
    if any(each.get("token") == runner.token for each in found.get("runners", ())):
        raise RunnerError(f"{chosen.config} has this runner already")
    if not _known(runner, chosen.config.parent):
        raise RunnerError("the runner was not registered")
    found.setdefault("concurrent", 1)
    found.setdefault("check_interval", 0)
    found.setdefault("runners", []).append(entry)
    _write(chosen.config, found)
    log("Runner registered successfully.", file=chosen.config)
    return 0


def _list(chosen: argparse.Namespace) -> int:
    log(f"Listing configured runners  ConfigFile={chosen.config}")
    for runner in config.load(chosen.config).runners:
        log(runner.name, Executor=runner.executor, Token=runner.short_token, URL=runner.url)
    return 0


def _verify(chosen: argparse.Namespace) -> int:
    runners = _chosen(chosen, config.load(chosen.config).runners)
    unknown = [runner for runner in runners if not _known(runner, chosen.config.parent)]
    if unknown and chosen.delete:
        _remove(chosen.config, unknown)
        return 0
    return 1 if unknown else 0


def _unregister(chosen: argparse.Namespace) -> int:
    if not (chosen.all_runners or chosen.name or chosen.token):
        raise RunnerError("unregister needs --name, --token or --all-runners")
    gone = []
    for runner in _chosen(chosen, config.load(chosen.config).runners):
        answer = _server(runner).unregister(runner.token)
        # One that the server does not know is as good as removed.
        if answer.status in (204, 403):
            log("Unregistering runner from GitLab succeeded", runner=runner.short_token)
            gone.append(runner)
        else:
            error("Unregistering runner failed", runner=runner.short_token, status=answer.status, answer=answer.text)
    _remove(chosen.config, gone)
    return 0 if gone else 1


def _chosen(chosen: argparse.Namespace, runners: tuple[Runner, ...]) -> list[Runner]:
    found = [
        each
        for each in runners
        if (not chosen.name or each.name == chosen.name) and (not chosen.token or each.token == chosen.token)
    ]
    if not found:
        raise RunnerError(f"{chosen.config} has no such runner")
    return found


def _server(runner: Runner) -> GitLab:
    try:
        return GitLab(runner.url, certificate_file(runner.url, runner.tls_ca_file))
    except OSError as problem:
        raise RunnerError(f"tls-ca-file {runner.tls_ca_file}: {problem}") from None


def _known(runner: Runner, folder: Path) -> bool:
    answer = _server(runner).verify(runner.token, system_id(folder))
    if answer.status == 200:
        log("Verifying runner... is valid", runner=runner.short_token)
        return True
    if answer.status not in (401, 403):
        raise RunnerError(f"{runner.url} answers {answer.status} instead of 200: {answer.text}")
    error("Verifying runner... is removed", runner=runner.short_token)
    return False


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as problem:
        raise RunnerError(f"{path} is no TOML: {problem}") from None


def _remove(path: Path, runners: list[Runner]) -> None:
    tokens = {each.token for each in runners}
    found = _table(path)
    found["runners"] = [each for each in found.get("runners", ()) if each.get("token") not in tokens]
    _write(path, found)


def _write(path: Path, table: dict[str, Any]) -> None:
    """In one go: a runner that reads it meanwhile never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.touch(mode=0o600)
    draft.write_text(dump(table))
    draft.rename(path)


if __name__ == "__main__":
    sys.exit(main())
