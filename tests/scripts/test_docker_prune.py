"""What goes from the shared Docker engine's disk, and what stays."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

import pytest

from tests.scripts.machine import ROOT, Machine

PRUNE = ROOT / "components/docker_engine/scripts/docker-prune.sh"
KEEP = "registry.devops.example.com/auto-devops/*"

# Name; days since it was made, since it got a name here, and since the engine stored it (none: it does so elsewhere). A
# container has the one called "used".
IMAGES: dict[str, tuple[int, int, int | None]] = {
    "registry.devops.example.com/team/hello:old": (9, 9, 9),
    "registry.devops.example.com/team/hello:new": (1, 1, 1),
    "docker.io/library/debian:renamed-yesterday": (200, 1, 100),
    "docker.io/library/debian:pulled-yesterday": (200, 700000, 1),
    "docker.io/library/debian:pulled-long-ago": (200, 700000, 100),
    "mirror.corp/pulled-by-digest:<none>": (200, 700000, 100),
    "mirror.corp/elsewhere:old": (200, 100, None),
    "mirror.corp/elsewhere:new": (200, 1, None),
    "registry.devops.example.com/auto-devops/go:1": (100, 100, 100),
    "docker.io/library/nginx:used": (100, 100, 100),
    "<none>:<none>": (100, 100, 100),
}


@pytest.fixture
def engine(tmp_path: Path) -> Machine:
    """A machine whose engine came with the stack and has those images, and none of the newer options."""
    machine = Machine(tmp_path / "machine")
    (machine.root / "state/packages").mkdir(parents=True)
    (machine.root / "state/packages/docker").write_text("docker.io\n")
    now = datetime.datetime.now(datetime.UTC)
    inspected, store = machine.root / "inspected", machine.root / "image/overlay2/imagedb/content/sha256"
    inspected.mkdir()
    store.mkdir(parents=True)
    lines = []
    for number, (name, days) in enumerate(IMAGES.items()):
        repository, _, tag = name.rpartition(":")
        lines.append(f"sha256:{number} {repository} {tag}")
        made, named, stored = days
        for field, age in {".Created": made, ".Metadata.LastTagTime": named}.items():
            moment = (now - datetime.timedelta(days=age)).isoformat()
            (inspected / f"sha256:{number}{field}").write_text(f'"{moment}"\n')
        if stored is not None:
            (store / str(number)).touch()
            os.utime(store / str(number), times=2 * ((now - datetime.timedelta(days=stored)).timestamp(),))
    (machine.root / "images").write_text("\n".join(lines) + "\n")
    used = list(IMAGES).index("docker.io/library/nginx:used")
    machine.fake(
        "docker",
        f"""case "$*" in
        "info "*) echo {machine.root}/image/overlay2 ;;
        "ps --all"*) echo container ;;
        "inspect --format {{{{.Image}}}} container") echo sha256:{used} ;;
        "image inspect --format {{{{json .Created}}}} "*) cat {inspected}/"$5.Created" ;;
        "image inspect --format {{{{json .Metadata.LastTagTime}}}} "*) cat {inspected}/"$5.Metadata.LastTagTime" ;;
        "image ls"*) cat {machine.root}/images ;;
        "builder prune --help") cat {machine.root}/options ;;
        "image rm"*|"image prune"*|"builder prune"*) ;;
        *) echo "docker $* is not known here" >&2; exit 1 ;;
        esac""",
    )
    (machine.root / "options").write_text("--keep-storage bytes   Amount of disk space to keep for cache\n")
    return machine


def prune(engine: Machine, *arguments: str) -> list[str]:
    """Runs the program; what it asked the engine to remove."""
    script = engine.root / "prune.sh"
    script.write_text(PRUNE.read_text().replace("/var/lib/auto-devops", f"{engine.root}/state"))
    result = engine.program(script, *arguments)
    assert result.returncode == 0, result.stderr
    return [
        call for call in engine.calls if call.startswith(("docker image rm", "docker image prune", "docker builder"))
    ]


def test_what_is_old_and_unused_goes(engine: Machine) -> None:
    removed = [call.split()[-1] for call in prune(engine, "7", "10GB", KEEP) if " rm " in call]
    assert removed == [
        "registry.devops.example.com/team/hello:old",
        "docker.io/library/debian:pulled-long-ago",
        f"sha256:{list(IMAGES).index('mirror.corp/pulled-by-digest:<none>')}",
        "mirror.corp/elsewhere:old",
    ]


def test_nothing_goes_by_force(engine: Machine) -> None:
    """The engine refuses to remove what a container has taken in the meantime."""
    assert not [
        call for call in prune(engine, "7", "10GB", KEEP) if " rm " in call and (" -f" in call or "force" in call)
    ]


def test_stages_of_builds_and_build_cache_go(engine: Machine) -> None:
    calls = prune(engine, "7", "10GB", KEEP)
    assert "docker image prune --force --filter until=168h" in calls
    assert "docker builder prune --force --keep-storage 10GB" in calls


def test_newer_engines_have_another_option(engine: Machine) -> None:
    (engine.root / "options").write_text("--max-used-space bytes\n--keep-storage bytes\n")
    assert "docker builder prune --force --max-used-space 10GB" in prune(engine, "7", "10GB", KEEP)


def test_an_engine_that_does_not_answer_is_a_failure(engine: Machine) -> None:
    engine.fake("docker", "exit 1")
    assert engine.program(PRUNE, "7", "10GB", KEEP).returncode != 0
