"""config.toml: what of GitLab Runner's configuration this stand-in performs, typed and checked.

A key that is not performed is an error by name, never ignored: all errors of a file are told at once.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from .logs import RunnerError

PULL_POLICIES = ("always", "if-not-present", "never")
_DOCKER_SOCKET = "unix:///var/run/docker.sock"


@dataclass(frozen=True)
class Docker:
    """`[runners.docker]`: the containers that jobs run in."""

    image: str = ""
    helper_image: str = ""
    host: str = _DOCKER_SOCKET
    tls_verify: bool = False
    privileged: bool = False
    disable_entrypoint_overwrite: bool = False
    oom_kill_disable: bool = False
    disable_cache: bool = False
    volumes: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    pull_policy: tuple[str, ...] = ("always",)
    allowed_pull_policies: tuple[str, ...] = ()
    allowed_images: tuple[str, ...] = ()
    allowed_services: tuple[str, ...] = ()
    network_mode: str = ""
    network_mtu: int = 0
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    memory: str = ""
    cpus: str = ""
    shm_size: int = 0
    user: str = ""
    wait_for_services_timeout: int = 30


@dataclass(frozen=True)
class Cache:
    """`[runners.cache]`: only the local one, in a volume of the engine."""

    MaxUploadedArchiveSize: int = 0


@dataclass(frozen=True)
class FeatureFlags:
    """`[runners.feature_flags]`."""

    FF_NETWORK_PER_BUILD: bool = False


@dataclass(frozen=True)
class Runner:
    """One `[[runners]]`: a registration at a GitLab server."""

    url: str
    token: str = field(repr=False)
    executor: str
    name: str = ""
    id: int = 0
    token_obtained_at: str = ""
    token_expires_at: str = ""
    clone_url: str = ""
    tls_ca_file: str = field(default="", metadata={"key": "tls-ca-file"})
    limit: int = 0
    request_concurrency: int = 1
    output_limit: int = 4096
    shell: str = ""
    builds_dir: str = "/builds"
    cache_dir: str = "/cache"
    environment: tuple[str, ...] = ()
    pre_get_sources_script: str = ""
    post_get_sources_script: str = ""
    pre_build_script: str = ""
    post_build_script: str = ""
    docker: Docker = field(default_factory=Docker)
    cache: Cache = field(default_factory=Cache)
    feature_flags: FeatureFlags = field(default_factory=FeatureFlags)

    @property
    def short_token(self) -> str:
        """The part of the token that may be told: it names the runner in logs and in the names of containers."""
        return self.token.removeprefix("glrt-").removeprefix("t1_").removeprefix("t2_").removeprefix("t3_")[:9]


@dataclass(frozen=True)
class SessionServer:
    """`[session_server]`: accepted as `register` writes it, which leaves the server off."""

    session_timeout: int = 1800


@dataclass(frozen=True)
class Config:
    """The whole file."""

    concurrent: int = 1
    check_interval: int = 0
    shutdown_timeout: int = 30
    connection_max_age: str = ""
    log_level: str = "info"
    log_format: str = "runner"
    session_server: SessionServer = field(default_factory=SessionServer)
    runners: tuple[Runner, ...] = ()


def load(path: Path) -> Config:
    """Read the file; one that is not there is an empty configuration, as GitLab Runner has it."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return Config()
    return parse(text, str(path))


def parse(text: str, name: str = "config.toml") -> Config:
    """The configuration in a TOML text; a RunnerError lists all that is wrong with it."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise RunnerError(f"{name} is no TOML: {problem}") from None
    problems: list[str] = []
    config: Config | None = _read(Config, table, "", problems)
    if config is not None:
        problems += [problem for runner in config.runners for problem in _check(runner)]
        if config.concurrent < 1:
            problems.append(f"concurrent = {config.concurrent}: expected 1 or more")
    if problems or config is None:
        raise RunnerError(f"{name} cannot be used: " + "; ".join(problems))
    return config


def _read(kind: Any, table: dict[str, Any], where: str, problems: list[str]) -> Any:
    """A dataclass from a TOML table; None if that failed. Adds to `problems`."""
    hints = get_type_hints(kind)
    known = {str(each.metadata.get("key", each.name)): each for each in fields(kind)}
    values: dict[str, Any] = {}
    before = len(problems)
    for key, value in table.items():
        if key not in known:
            problems.append(f"{where}{key} is not supported by this stand-in (supported: {', '.join(sorted(known))})")
            continue
        values[known[key].name] = _convert(hints[known[key].name], value, f"{where}{key}", problems)
    for key, each in known.items():
        if each.name not in values and each.default is MISSING and each.default_factory is MISSING:
            problems.append(f"{where}{key} is missing")
    return kind(**values) if len(problems) == before else None


def _convert(hint: Any, value: Any, where: str, problems: list[str]) -> Any:
    if is_dataclass(hint):
        if isinstance(value, dict):
            return _read(hint, value, f"{where}.", problems)
        problems.append(f"{where}: expected a table, found {value!r}")
        return None
    if hint == tuple[Runner, ...]:
        if isinstance(value, list) and all(isinstance(each, dict) for each in value):
            return tuple(_read(Runner, each, f"runners[{number}].", problems) for number, each in enumerate(value))
        problems.append(f"{where}: expected [[runners]]")
        return None
    if hint == tuple[str, ...]:
        values = [value] if isinstance(value, str) and where.endswith("pull_policy") else value
        if isinstance(values, list) and all(isinstance(each, str) for each in values):
            return tuple(values)
        problems.append(f"{where}: expected a list of texts, found {value!r}")
        return None
    if hint is str and not isinstance(value, str) and hasattr(value, "isoformat"):
        return value.isoformat()  # a date of TOML's own
    if type(value) is not hint:
        problems.append(f"{where}: expected {hint.__name__}, found {value!r}")
        return None
    return value


def _check(runner: Runner) -> list[str]:
    where = f"runner {runner.name or runner.short_token}: "
    problems = []
    if not re.fullmatch(r"https?://\S+", runner.url):
        problems.append(f"{where}url = {runner.url!r}: expected http(s)://…")
    if not runner.token:
        problems.append(f"{where}token is empty")
    if runner.executor != "docker":
        problems.append(f"{where}executor = {runner.executor!r}: only docker is supported by this stand-in")
    if runner.shell not in ("", "bash", "sh"):
        problems.append(f"{where}shell = {runner.shell!r}: expected bash or sh")
    if runner.request_concurrency != 1:
        problems.append(f"{where}request_concurrency = {runner.request_concurrency}: only 1 is supported")
    if not runner.docker.host.startswith("unix://"):
        problems.append(f"{where}docker.host = {runner.docker.host!r}: only unix://… is supported by this stand-in")
    if runner.docker.tls_verify:
        problems.append(f"{where}docker.tls_verify = true: only a local socket is supported by this stand-in")
    if not runner.docker.image:
        problems.append(f"{where}docker.image is missing")
    for policy in {*runner.docker.pull_policy, *runner.docker.allowed_pull_policies}.difference(PULL_POLICIES):
        problems.append(f"{where}pull policy {policy!r}: expected one of {', '.join(PULL_POLICIES)}")
    for volume in runner.docker.volumes:
        if not re.fullmatch(r"(/|[\w][\w.-]*:/|/[^:]*:/)[^:]*(:[a-zA-Z,]+)?", volume):
            problems.append(f"{where}volume {volume!r}: expected /path, or host:/path[:ro]")
    for pair in runner.environment:
        if not re.match(r"\w+=", pair):
            # The value may be a secret: it is not told.
            problems.append(f"{where}environment has an entry that is not NAME=value")
    return problems
