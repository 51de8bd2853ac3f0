"""How an image for jobs is built on the registry's machine, with an engine that says whom its base runs as."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from components.ci_images.ci_images import dockerfile
from tests.scripts.machine import ROOT, Machine

BUILD = ROOT / "components/ci_images/scripts/build.sh"
BASE = "docker.io/alpine/k8s:1"


def run(
    root: Path, user: str = "", *, there: bool, pulls: bool = True, built: bool = False
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """What it says, and the engine's calls. `there`: it has a base; `pulls`: it gets one; `built`: nothing is to do."""
    machine = Machine(root / "machine")
    machine.files({"Dockerfile": dockerfile(BASE), "trust.sh": "", "platform.crt": ""})
    machine.fake(
        "docker",
        f"""case "$*" in
        *"manifest inspect"*) exit {0 if built else 1} ;;
        *" pull {BASE}") [ {int(pulls)} = 1 ] || {{ echo 'no route to host' >&2; exit 1; }} ;;
        "image inspect --format {{{{.Config.User}}}} {BASE}") echo '{user}' ;;
        "image inspect {BASE}") exit {0 if there else 1} ;;
        esac""",
    )
    result = machine.run(BUILD, ROLE="kubernetes", REFERENCE="r.example/a:1", USERNAME="", REGISTRY="r.example")
    return result, [call.partition("/tmp/docker ")[2] or call for call in machine.calls]


def built(root: Path, user: str, *, there: bool) -> list[str]:
    """The engine's calls, where all goes well."""
    result, calls = run(root, user, there=there)
    assert result.returncode == 0, result.stderr
    return calls


@pytest.mark.parametrize(("user", "told"), [("", "root"), ("1000:1000", "1000:1000"), ("ci", "ci")])
def test_jobs_run_as_whom_the_base_says(tmp_path: Path, user: str, told: str) -> None:
    (build,) = (call for call in built(tmp_path, user, there=True) if call.startswith("build "))
    assert f" --build-arg BASE_USER={told} " in build


def test_the_base_is_what_its_tag_means_now(tmp_path: Path) -> None:
    """Also where the engine has one of that name, from when it meant another."""
    calls = built(tmp_path, "", there=True)
    (pull,) = (number for number, call in enumerate(calls) if f"pull {BASE}" in call)
    (build,) = (number for number, call in enumerate(calls) if call.startswith("build "))
    assert pull < build


def test_without_an_upstream_the_copy_will_do(tmp_path: Path) -> None:
    result, calls = run(tmp_path, there=True, pulls=False)
    assert result.returncode == 0, result.stderr
    assert f"docker pull {BASE} failed (no route to host): going on with this machine's copy" in result.stderr
    assert [call for call in calls if call.startswith("build ")]


def test_no_base_at_all_ends_it(tmp_path: Path) -> None:
    result, calls = run(tmp_path, there=False, pulls=False)
    assert result.returncode == 1
    assert "no route to host" in result.stderr and f"docker pull {BASE}" in result.stderr
    assert not [call for call in calls if call.startswith("build ")]


def test_an_image_that_is_there_is_not_built_again(tmp_path: Path) -> None:
    result, calls = run(tmp_path, there=True, built=True)
    assert result.returncode == 0, result.stderr
    assert not [call for call in calls if f"pull {BASE}" in call or call.startswith("build ")]
