"""How an image for jobs is built on the registry's machine, with an engine that says whom its base runs as."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.ci_images.ci_images import dockerfile
from tests.unit.conftest import ROOT
from tests.unit.scripts import Machine

BUILD = ROOT / "components/ci_images/scripts/build.sh"
BASE = "docker.io/alpine/k8s:1"


def built(root: Path, user: str, *, there: bool) -> list[str]:
    """The engine's calls; `there`: it has the base already."""
    machine = Machine(root / "machine")
    machine.files({"Dockerfile": dockerfile(BASE), "trust.sh": "", "platform.crt": ""})
    machine.fake(
        "docker",
        f"""case "$*" in
        *"manifest inspect"*) exit 1 ;;
        "image inspect --format {{{{.Config.User}}}} {BASE}") echo '{user}' ;;
        "image inspect {BASE}") exit {0 if there else 1} ;;
        esac""",
    )
    result = machine.run(BUILD, ROLE="kubernetes", REFERENCE="r.example/a:1", USERNAME="", REGISTRY="r.example")
    assert result.returncode == 0, result.stderr
    return [call.partition("/tmp/docker ")[2] or call for call in machine.calls]


@pytest.mark.parametrize(("user", "told"), [("", "root"), ("1000:1000", "1000:1000"), ("ci", "ci")])
def test_jobs_run_as_whom_the_base_says(tmp_path: Path, user: str, told: str) -> None:
    (build,) = (call for call in built(tmp_path, user, there=True) if call.startswith("build "))
    assert f" --build-arg BASE_USER={told} " in build


def test_the_base_is_pulled_where_it_is_missing(tmp_path: Path) -> None:
    assert not [call for call in built(tmp_path / "a", "", there=True) if f"pull {BASE}" in call]
    assert [call for call in built(tmp_path / "b", "", there=False) if f"pull {BASE}" in call]


def test_the_ca_is_installed_as_root() -> None:
    steps = [line for line in dockerfile(BASE).splitlines() if line.startswith(("USER", "COPY", "RUN"))]
    assert [step.split()[0] for step in steps] == ["USER", "COPY", "RUN", "USER"]
    assert (steps[0], steps[-1]) == ("USER root", "USER ${BASE_USER}")
