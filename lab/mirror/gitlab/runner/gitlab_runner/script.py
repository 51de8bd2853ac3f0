"""The shell scripts that run in a job's containers, written by pure functions.

A script comes to its shell by standard input, never on a command line: it has the values of all variables.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from .job import Artifact, Cache, Dependency, Job
from .logs import RunnerError
from .trace import BOLD_GREEN, BOLD_YELLOW, RESET
from .variables import Variables

DETECT_SHELL = "command -v bash >/dev/null 2>&1 && exec bash; exec sh"
"""Becomes bash where the image has it."""
_STRATEGIES = ("clone", "fetch", "none", "empty")


@dataclass(frozen=True)
class Places:
    """Where things are in a job's containers."""

    builds: str
    cache: str
    project: str

    @property
    def temporary(self) -> str:
        """The files of variables and the runner's own; beside the project, so that no `git clean` takes them."""
        return f"{self.project}.tmp"


def quote(text: str) -> str:
    """A text as one word of any POSIX shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def say(text: str, colour: str = "") -> str:
    """A command that writes a line."""
    return f"printf '%s\\n' {quote(f'{colour}{text}{RESET}' if colour else text)}"


def echoed(commands: Iterable[str]) -> list[str]:
    """Commands, each shown before it runs, as GitLab shows them."""
    lines = []
    for command in commands:
        first, *more = command.strip("\n").split("\n")
        lines += [say(f"$ {first}{' # collapsed multi-line command' if more else ''}", BOLD_GREEN), command]
    return lines


def whole(variables: Variables, places: Places, commands: Sequence[str], extra: Sequence[tuple[str, str]] = ()) -> str:
    """A script as it is fed to a shell: the variables, their files, and the commands up to the first that fails.

    The commands' own standard input is empty: they must not read the script.
    """
    # The helper and the job may be different users: each writes the files anew, and only for itself.
    lines = [f"mkdir -p -m 0777 {quote(places.temporary)}"]
    for each in variables:
        if each.file:
            path = variables.path(each)
            lines.append(f"rm -f {quote(path)}; (umask 077; printf '%s' {quote(each.value)} >{quote(path)})")
            lines.append(f"export {each.key}={quote(path)}")
        else:
            lines.append(f"export {each.key}={quote(each.value)}")
    lines += [f"export {key}={quote(value)}" for key, value in extra]
    body = "\n".join([*lines, *commands]) + "\n"
    return (
        "if (set -o pipefail) 2>/dev/null; then set -o pipefail; fi\n"
        "set -o errexit\nset +o noclobber\n"
        f"eval {quote(body)} </dev/null\nexit 0\n"
    )


def build(job: Job, step: str, before: str, after: str, places: Places) -> list[str]:
    """The commands of one of the job's own steps; `before` and `after` are the runner's configuration's."""
    (found,) = [each for each in job.steps if each.name == step]
    scripts = [before] if before else []
    scripts += found.script
    scripts += [after] if after else []
    return [f"cd {quote(places.project)}", *echoed(scripts)]


def after(job: Job, places: Places) -> list[str]:
    """The commands of after_script."""
    scripts = [line for step in job.steps if step.name == "after_script" for line in step.script]
    return [f"cd {quote(places.project)}", *echoed(scripts)]


def get_sources(job: Job, variables: Variables, places: Places, url: str, before: str, after: str) -> list[str]:
    """The commands that put the project's files where the job wants them.

    `url` has the job's token in it; what is written of it to the log is masked.
    """
    strategy = variables.get("GIT_STRATEGY", "fetch") or "fetch"
    if strategy not in _STRATEGIES:
        raise RunnerError(f"GIT_STRATEGY is {strategy!r}: expected one of {', '.join(_STRATEGIES)}")
    project = quote(places.project)
    lines = ["umask 0000", *echoed([*job.pre_get_sources, *([before] if before else [])])]
    if strategy in ("none", "empty"):
        # Each job has a volume of its own: there is nothing from before.
        return [*lines, say("Skipping Git repository setup", BOLD_GREEN), f"mkdir -p {project}"]
    depth = variables.get("GIT_DEPTH")
    try:
        count = int(depth) if depth else job.depth
    except ValueError:
        raise RunnerError(f"GIT_DEPTH is {depth!r}: expected a number") from None
    refspecs = job.refspecs or (
        (f"+refs/tags/{job.ref}:refs/tags/{job.ref}",)
        if job.ref_type == "tag"
        else (f"+refs/heads/{job.ref}:refs/remotes/origin/{job.ref}",)
    )
    ca = next((variables.path(each) for each in variables if each.key == "CI_SERVER_TLS_CA_FILE"), "")
    git = f"git -C {project}"
    limit = f" --depth {count}" if count > 0 else ""
    tags = " --no-tags" if count > 0 else " --tags"
    extra = variables.get("GIT_FETCH_EXTRA_FLAGS", "--prune --quiet")
    fetch = f"{git} fetch origin{limit}{tags} {extra}"
    lines += [
        say(f"Fetching changes with git depth set to {count}..." if count else "Fetching changes...", BOLD_GREEN),
        f"git config --global --add safe.directory {quote('*')}",
        f"git -c init.defaultBranch=none init {project}",
        f"{git} remote add origin {quote(url)}",
        f"{git} config fetch.recurseSubmodules false",
        f"{git} config http.userAgent 'gitlab-runner (lab stand-in) linux/amd64'",
    ]
    if ca:
        # In the repository's own settings, so that the job's scripts can use git too.
        base = urlunsplit(urlsplit(without_login(url))._replace(path="", query="", fragment=""))
        lines.append(f"{git} config {quote(f'http.{base}.sslCAInfo')} {quote(ca)}")
    sha = quote(job.sha)
    lines += [
        f"{fetch} {' '.join(map(quote, refspecs))}",
        say("Created fresh repository.", BOLD_GREEN),
        # The branch may have moved on by more than the depth.
        f"{git} cat-file -e {quote(job.sha + '^{commit}')} 2>/dev/null || {fetch} {sha}",
    ]
    if variables.get("GIT_CHECKOUT", "true").lower() != "false":
        lines += [
            say(f"Checking out {job.sha[:8]} as detached HEAD (ref is {job.ref})...", BOLD_GREEN),
            f"{git} checkout -f -q {sha}",
        ]
    lines += _submodules(job, variables, git, url)
    return [*lines, *echoed([after] if after else [])]


def without_login(url: str) -> str:
    """The address without a user and a password in it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def with_base(url: str, base: str) -> str:
    """The address of a repository at another server's address (`clone_url`), with its login."""
    if not base:
        return url
    parts, target = urlsplit(url), urlsplit(base)
    login, at, _ = parts.netloc.rpartition("@")
    return urlunsplit((target.scheme, f"{login}{at}{target.netloc}", target.path.rstrip("/") + parts.path, "", ""))


def restore_caches(caches: Sequence[Cache], variables: Variables, places: Places) -> list[str]:
    """The commands that unpack the caches a job pulls; a cache that is not there is no failure."""
    lines = []
    for cache in caches:
        if cache.policy not in ("pull", "pull-push"):
            continue
        key = variables.expand(cache.key)
        lines.append(say(f"Checking cache for {key}...", BOLD_GREEN))
        words = ["gitlab-runner-helper", "cache-extractor"]
        for each in (key, *map(variables.expand, cache.fallback_keys)):
            words += ["--file", cache_file(places, variables, each)]
        lines.append(_command(words, places) + " || true")
    return lines


def save_caches(caches: Sequence[Cache], variables: Variables, places: Places) -> list[str]:
    """The commands that pack the caches a job pushes."""
    lines = []
    for cache in caches:
        if cache.policy not in ("push", "pull-push"):
            continue
        key = variables.expand(cache.key)
        lines.append(say(f"Creating cache {key}...", BOLD_GREEN))
        words = ["gitlab-runner-helper", "cache-archiver", "--file", cache_file(places, variables, key)]
        words += _selection(cache.paths, (), cache.untracked, variables)
        failed = say("Failed to create cache", BOLD_YELLOW)
        lines.append(f"{_command(words, places)} || {failed}")
    return lines


def cache_file(places: Places, variables: Variables, key: str) -> str:
    """Where the cache of a key is kept, in the volume of the runner's project."""
    return f"{places.cache}/{variables.get('CI_PROJECT_PATH')}/{key.replace('/', '_')}/cache.zip"


def download_artifacts(dependencies: Sequence[Dependency], server: str, places: Places) -> list[str]:
    """The commands that fetch and unpack what earlier jobs left."""
    lines = []
    for each in dependencies:
        lines.append(say(f"Downloading artifacts for {each.name} ({each.id})...", BOLD_GREEN))
        words = ["gitlab-runner-helper", "artifacts-downloader", "--url", server, "--id", str(each.id)]
        lines.append(_command(words, places, each.token))
    return lines


def upload_artifacts(
    job: Job, artifacts: Sequence[Artifact], variables: Variables, server: str, places: Places
) -> list[str]:
    """The commands that pack and send what the job leaves."""
    lines = [say("Uploading artifacts...", BOLD_GREEN)] if artifacts else []
    for each in artifacts:
        words = ["gitlab-runner-helper", "artifacts-uploader", "--url", server, "--id", str(job.id)]
        words += _selection(each.paths, each.exclude, each.untracked, variables)
        words += ["--artifact-type", each.type, "--artifact-format", each.format]
        if each.expire_in:
            words += ["--expire-in", each.expire_in]
        if each.name:
            words += ["--name", variables.expand(each.name)]
        lines.append(_command(words, places, job.token))
    return lines


def _selection(paths: Sequence[str], exclude: Sequence[str], untracked: bool, variables: Variables) -> list[str]:
    words = []
    for path in paths:
        words += ["--path", variables.expand(path)]
    for path in exclude:
        words += ["--exclude", variables.expand(path)]
    return words + (["--untracked"] if untracked else [])


def _command(words: Sequence[str], places: Places, token: str = "") -> str:
    line = f"cd {quote(places.project)} && " + (f"RUNNER_JOB_TOKEN={quote(token)} " if token else "")
    return "{ " + line + " ".join(map(quote, words)) + "; }"


def _submodules(job: Job, variables: Variables, git: str, url: str) -> list[str]:
    strategy = variables.get("GIT_SUBMODULE_STRATEGY", "none") or "none"
    if strategy == "none":
        return [say("Skipping Git submodules setup", BOLD_GREEN)]
    if strategy not in ("normal", "recursive"):
        raise RunnerError(f"GIT_SUBMODULE_STRATEGY is {strategy!r}: expected none, normal or recursive")
    recursive = " --recursive" if strategy == "recursive" else ""
    login = urlsplit(url).netloc.rpartition("@")[0]
    plain = urlsplit(without_login(url))
    instead = f"url.{plain.scheme}://{login}@{plain.netloc}/.insteadOf"
    return [
        say("Updating/initializing submodules...", BOLD_GREEN),
        f"{git} submodule init",
        f"{git} -c {quote(f'{instead}={plain.scheme}://{plain.netloc}/')} submodule sync{recursive}",
        f"{git} -c {quote(f'{instead}={plain.scheme}://{plain.netloc}/')} submodule update --init{recursive}",
    ]
