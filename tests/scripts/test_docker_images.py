"""Which images leave an engine that stays, at the end and by the timer, and which are somebody's."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.docker_engine.docker_engine import SCRIPTS
from tests.scripts.engine import Engine, Image
from tests.scripts.machine import remembered

PLATFORM, GITLAB = "registry.devops.example.com", "gitlab.devops.example.com:4567"
MINE = Image("mine", ["mine:1"])
NAMELESS = Image("nameless", parent=MINE)
GO = Image("go", ["golang:1"])
CI = Image("ci", [f"{PLATFORM}/auto-devops/go:1"], parent=GO, ci_image=True)
LEADS = Image("leads", parent=CI, ci_image=True)
STAGE = Image("stage", parent=LEADS, ci_image=True)
DEBIAN = Image("debian", ["debian:slim"], digests=["debian@sha256:1"])
HELLO = Image("hello", [f"{PLATFORM}/team/hello:1"], parent=DEBIAN)
AUTO = Image("auto", [f"{GITLAB}/team/auto:1", f"{GITLAB}/team/auto:latest"], parent=DEBIAN)
NGINX = Image("nginx", ["nginx:1"])


@pytest.fixture
def machine(tmp_path: Path) -> Engine:
    return Engine(tmp_path / "machine")


def begun(machine: Engine, *before: Image, **used: Image) -> None:
    """Somebody's engine with these images, in which the stack has begun."""
    machine.user_has()
    images_with(machine, *before, **used)
    done = machine.install()
    assert done.returncode == 0, done.stderr


def images_with(machine: Engine, *images: Image, **used: Image) -> None:
    machine.images(*images, used={name: f"sha256:{image.id}" for name, image in used.items()})


def removed(machine: Engine) -> str:
    """What the removal says, where it succeeds."""
    done = machine.step("remove")
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_what_the_stack_pulled_and_its_pipelines_built_goes(machine: Engine) -> None:
    begun(machine, MINE, NAMELESS)
    images_with(machine, MINE, NAMELESS, GO, CI, LEADS, STAGE, HELLO, AUTO, NGINX, DEBIAN, theirs=MINE)
    said = removed(machine)
    # debian is in no setting: whether a pipeline or somebody pulled it, nobody knows.
    assert machine.image_names == ["debian:slim", "mine:1", "sha256:nameless"]
    assert "leaving the image" not in said
    assert remembered(machine.root / "state") == []
    assert not list((machine.root / "usr/local/sbin").iterdir())


def test_what_was_there_before_stays(machine: Engine) -> None:
    """Also under a name that the stack pulls, and of a platform that was there once."""
    theirs = Image("old", [f"{PLATFORM}/team/old:1"])
    begun(machine, MINE, NGINX, theirs)
    images_with(machine, MINE, NGINX, theirs, HELLO, DEBIAN)
    removed(machine)
    assert machine.image_names == sorted(["debian:slim", "mine:1", "nginx:1", *theirs.names])


def test_an_engine_with_thousands_of_images_is_looked_at_too(machine: Engine) -> None:
    begun(machine, MINE)
    before = next(machine.root.rglob("docker-images/before"))
    many = [f"sha256:{number:064} corp/app:{number}" for number in range(2000)]
    before.write_text("\n".join([*before.read_text().splitlines(), *many]) + "\n")
    images_with(machine, MINE, HELLO)
    removed(machine)
    assert machine.image_names == ["mine:1"]


def test_a_name_that_was_taken_comes_back(machine: Engine) -> None:
    begun(machine, MINE, GO)
    images_with(machine, MINE, Image("go"), Image("newer", ["golang:1"]))
    removed(machine)
    assert machine.image_names == ["golang:1", "mine:1"]
    assert "sha256:go" in machine.read("store.json") and "newer" not in machine.read("store.json")


def test_a_name_of_ours_for_somebodys_image_goes_alone(machine: Engine) -> None:
    """A pipeline has pushed what was there; what had no name would go with the only one."""
    begun(machine, MINE, NAMELESS)
    tagged = Image("mine", ["mine:1", f"{PLATFORM}/team/mine:1"])
    images_with(machine, tagged, Image("nameless", [f"{PLATFORM}/team/x:1"], parent=tagged))
    removed(machine)
    assert machine.image_names == ["mine:1", f"{PLATFORM}/team/x:1"]


def test_what_is_in_use_stays_and_is_said(machine: Engine) -> None:
    begun(machine, MINE)
    built = Image("built", ["theirs:1"], parent=GO)
    images_with(machine, MINE, GO, built, HELLO, NGINX, DEBIAN, web=HELLO, proxy=NGINX)
    said = removed(machine)
    assert machine.image_names == sorted(["debian:slim", "golang:1", "mine:1", *HELLO.names, "nginx:1", "theirs:1"])
    assert f"leaving the image {HELLO.names[0]}: a container has it" in said
    assert "leaving the image nginx:1: a container has it" in said
    assert "leaving the image golang:1: an image of somebody else is made from it" in said


def test_what_may_be_somebodys_is_said_by_its_id(machine: Engine) -> None:
    begun(machine, MINE)
    images_with(machine, MINE, Image("0123456789abcdef", parent=MINE))
    said = removed(machine)
    assert machine.image_names == ["mine:1", "sha256:0123456789abcdef"]
    assert "leaving 1 images without a name" in said and "docker image rm 0123456789ab" in said


def test_where_an_older_release_began_names_from_the_settings_prove_nothing(machine: Engine) -> None:
    begun(machine, MINE)
    (machine.root / "state/docker-images/before").unlink()
    images_with(machine, MINE, NGINX, HELLO, CI, STAGE, GO, LEADS, DEBIAN)
    removed(machine)
    assert machine.image_names == ["debian:slim", "golang:1", "mine:1", "nginx:1"]


def test_another_run_does_not_take_ours_for_somebodys(machine: Engine) -> None:
    begun(machine, MINE)
    images_with(machine, MINE, NGINX)
    assert machine.install().returncode == 0
    assert machine.read("state/docker-images/before") == "sha256:mine mine:1\n"
    removed(machine)
    assert machine.image_names == ["mine:1"]


def test_an_image_that_cannot_be_removed_fails_the_removal(machine: Engine) -> None:
    begun(machine, MINE)
    images_with(machine, MINE, HELLO, DEBIAN)
    docker = (machine.root / "bin/docker").read_text()
    broken = 'case "$*" in "image rm "*) echo "Error response from daemon: no space left" >&2; exit 1 ;; esac\ncase'
    machine.fake("docker", docker.replace("case", broken, 1))
    done = machine.step("remove")
    assert done.returncode == 1 and "no space left" in done.stderr and "pulumi destroy again" in done.stderr
    (machine.root / "bin/docker").write_text(docker)
    removed(machine)
    assert machine.image_names == ["debian:slim", "mine:1"]


def test_an_engine_that_does_not_answer_fails_the_removal(machine: Engine) -> None:
    begun(machine, MINE)
    (machine.root / "active").unlink()
    done = machine.step("remove")
    assert done.returncode == 1 and "systemctl start docker" in done.stderr


def test_an_engine_of_ours_with_somebodys_image_loses_the_rest(machine: Engine) -> None:
    machine.user_has()
    machine.put("state/packages/docker", "docker.io\n")
    assert machine.install().returncode == 0
    machine.put("images", "mine:1|\n")
    images_with(machine, MINE, NGINX, HELLO, DEBIAN)
    assert "leaving Docker on" in removed(machine)
    assert machine.image_names == ["debian:slim", "mine:1"]


def outdated(machine: Engine, **variables: str) -> None:
    assert machine.step("install", **variables).returncode == 0
    program = machine.root / "usr/local/sbin/auto-devops-docker-images"
    assert machine.program(program, "outdated").returncode == 0


def test_a_former_version_goes_once_no_container_has_it(machine: Engine) -> None:
    begun(machine, MINE)
    newer = Image("nginx2", ["nginx:2"])
    images_with(machine, MINE, NGINX, newer, HELLO, DEBIAN, nginx=NGINX)
    machine.install()
    outdated(machine, IMAGES="docker.io/library/nginx:2")
    assert "nginx:1" in machine.image_names
    images_with(machine, MINE, NGINX, newer, HELLO, DEBIAN, nginx=newer)
    outdated(machine, IMAGES="docker.io/library/nginx:2")
    assert machine.image_names == sorted(["debian:slim", "mine:1", "nginx:2", *HELLO.names])


@pytest.mark.parametrize("engine", ["theirs", "ours"])
def test_the_timer_takes_nothing_of_somebodys(machine: Engine, engine: str) -> None:
    begun(machine, *([MINE, NAMELESS] if engine == "theirs" else []))
    if engine == "ours":
        machine.put("state/packages/docker", "docker.io\n")
    later = Image("later", ["later:1"])
    images_with(machine, MINE, NAMELESS, later, GO, CI, LEADS, STAGE, HELLO, DEBIAN)
    docker = (machine.root / "bin/docker").read_text()
    listed = "\\n".join(f"sha256:{image.id} {image.names[0].replace(':', ' ')}" for image in (MINE, later, HELLO, CI))
    answers = f"""case "$*" in
"info --format"*) echo {machine.root}/nowhere; exit ;;
"image inspect --format {{{{json "*) echo '"2020-01-01T00:00:00Z"'; exit ;;
"image ls --no-trunc"*) printf '{listed}\\n'; exit ;;
esac
case"""
    machine.fake("docker", docker.replace("case", answers, 1))
    prune = machine.put("prune.sh", machine.rooted((SCRIPTS / "docker-prune.sh").read_text()))
    done = machine.program(prune, "7", "10GB", f"{PLATFORM}/auto-devops/*")
    assert done.returncode == 0, done.stderr
    stay = {"debian:slim", "golang:1", *CI.names}
    if engine == "theirs":
        assert set(machine.image_names) == stay | {"mine:1", "sha256:nameless", "later:1"}
        assert not [call for call in machine.calls if call.startswith(("docker image prune", "docker builder"))]
    else:
        assert not {"mine:1", "later:1", *HELLO.names} & set(machine.image_names)
        assert "docker image prune --force --filter until=168h" in machine.calls
