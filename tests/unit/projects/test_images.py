"""The images of jobs: their recipe, their names, and which of them are built."""

from __future__ import annotations

from syrupy.assertion import SnapshotAssertion

from components.ci_images.ci_images import dockerfile, tag
from tests.unit.program import unpacked
from tests.unit.projects.delivery import (
    COMMAND,
    variables,
)
from tests.unit.recording import Recorder, contains_secret, plain


def test_dockerfile(snapshot: SnapshotAssertion) -> None:
    assert dockerfile("mirror.corp:5000/library/golang:1.26-bookworm") == snapshot


def test_tag_follows_base_ca_and_recipe() -> None:
    files = {"Dockerfile": dockerfile("a:1"), "trust.sh": "x", "platform.crt": "CA"}
    assert tag(files) == tag(dict(reversed(files.items())))
    changes = {"Dockerfile": dockerfile("a:2"), "trust.sh": "y", "platform.crt": "another", "mirrors.crt": "more"}
    tags = {tag(files | {name: text}) for name, text in changes.items()}
    assert len(tags | {tag(files)}) == 5


def test_images_are_built_with_the_ca_and_named_by_their_content(custom: Recorder) -> None:
    command = custom.one("ci-images-go", COMMAND)
    files = unpacked(command)
    assert files["files/platform.crt"] == "CERT ca-root\n"
    assert "FROM mirror.corp:5000/go:1\n" in files["files/Dockerfile"]
    reference = plain(variables(custom)["IMAGE_GO"]["value"])
    assert reference.startswith("registry.devops.example.com/auto-devops/go:")
    assert f"REFERENCE={reference}" in command.inputs["create"]


def test_only_the_images_that_pipelines_need_are_built(custom: Recorder, auto: Recorder) -> None:
    def built(recorder: Recorder) -> set[str]:
        return {r.name.removeprefix("ci-images-") for r in recorder.of_type(COMMAND) if r.name.startswith("ci-images-")}

    assert built(custom) == {"docker", "go", "kubernetes"}
    assert built(auto) == {"autoBuild", "autoDeploy", "go"}


def test_registry_password_is_in_a_file(with_login: Recorder) -> None:
    command = with_login.one("ci-images-go", COMMAND)
    assert unpacked(command)["files/password"] == "correct horse"
    assert contains_secret(command.inputs["stdin"])
    assert "correct horse" not in command.inputs["create"]


def test_the_ca_is_installed_as_root() -> None:
    steps = [
        line for line in dockerfile("docker.io/alpine/k8s:1").splitlines() if line.startswith(("USER", "COPY", "RUN"))
    ]
    assert [step.split()[0] for step in steps] == ["USER", "COPY", "RUN", "USER"]
    assert (steps[0], steps[-1]) == ("USER root", "USER ${BASE_USER}")
