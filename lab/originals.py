"""GitLab's own images and charts in place of the lab's, where they can be had: `make up GITLAB=official`.

Owns the choice, which is the running lab's and goes with it, and how an original gets into the mirror. Where they are
taken from is skopeo's and Helm's own matter: a registry in between is named in containers-registries.conf(5), a proxy
by the usual variables. Nothing but the mirror's content changes: the stack pulls the same names from the same place.
"""

from __future__ import annotations

from pathlib import Path

from lab import paths
from lab.steps import LabError, StepLog

STAND_INS = "stand-ins"
OFFICIAL = "official"
CHOICES = (STAND_INS, OFFICIAL)
_CHOICE = paths.LAB / "gitlab-images"
_PUBLISHED_BY_GITLAB = ("docker.io/gitlab/", "registry.gitlab.com/")


def choose(log: StepLog, name: str | None) -> str:
    """Make the choice for a new lab. A lab that is there keeps its own: a LabError if `name` is another one."""
    if not _CHOICE.exists():
        _CHOICE.parent.mkdir(parents=True, exist_ok=True)
        _CHOICE.write_text(name or STAND_INS)
    chosen = _CHOICE.read_text()
    log.write(f"asked for: {name or 'nothing'}; this lab's: {chosen}")
    if name and name != chosen:
        raise LabError(
            f"this lab was begun with GITLAB={chosen}, not {name}: its GitLab would go on with what it has",
            f"`make down`, then `make up GITLAB={name}`",
        )
    return chosen


def official() -> bool:
    """Whether this lab takes GitLab's own."""
    return _CHOICE.exists() and _CHOICE.read_text() == OFFICIAL


def takes(upstream: str) -> bool:
    """Whether this lab takes the image of that name from where it is published."""
    return official() and upstream.startswith(_PUBLISHED_BY_GITLAB)


def pull(log: StepLog, upstream: str, target: str, target_trust: Path) -> None:
    """Copy the image `upstream` to `target`, whose CA is in the folder `target_trust`."""
    log.awaiting(f"copying {upstream} from where it is published")
    options = ["--retry-times", "3", "--dest-cert-dir", str(target_trust)]
    try:
        log.run(["skopeo", "copy", *options, f"docker://{upstream}", f"docker://{target}"])
    except LabError:
        raise _out_of_reach(upstream, log) from None


def pull_chart(log: StepLog, helm: Path, repository: str, name: str, version: str, folder: Path) -> None:
    """Put the packaged chart into the folder."""
    log.awaiting(f"copying the chart {name} {version} from {repository}")
    try:
        log.run([helm, "pull", name, "--repo", repository, "--version", version, "--destination", folder])
    except LabError:
        raise _out_of_reach(f"the chart {name} {version} of {repository}", log) from None


def _out_of_reach(what: str, log: StepLog) -> LabError:
    return LabError(
        f"GITLAB=official takes {what}, which cannot be had from here: {log.awaited}",
        "let this machine reach it (a proxy; for images also a mirror in /etc/containers/registries.conf), "
        "or go without: `make down`, `make up`",
    )
