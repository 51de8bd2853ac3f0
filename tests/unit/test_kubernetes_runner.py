"""The runner in the cluster: what is registered, what GitLab's chart is told, and the choice of a runner."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from syrupy.assertion import SnapshotAssertion

from components.gitlab_runner.in_cluster import config, image_value, short
from names import Names
from settings.ci import CiSettings
from tests.unit.program import PROJECTS, ROOT, Run
from tests.unit.recording import Recorder, Secret, contains_secret, plain

RELEASE = "kubernetes:helm.sh/v3:Release"
SECRET = "kubernetes:core/v1:Secret"


def release(recorder: Recorder, name: str = "team-hello") -> dict[str, Any]:
    return recorder.one(f"kubernetes-runner-{name}", RELEASE).inputs


def test_each_registration_is_a_release_of_gitlabs_chart(mirrored_stack: Recorder) -> None:
    assert [r.name for r in mirrored_stack.of_type(RELEASE) if r.parent == "kubernetes-runner"] == [
        "kubernetes-runner-team-auto",
        "kubernetes-runner-team-hello",
    ]
    inputs = release(mirrored_stack)
    assert (inputs["chart"], inputs["version"], inputs["namespace"]) == ("gitlab-runner", "0.93.0", "gitlab-runner")
    assert inputs["repositoryOpts"] == {"repo": "https://charts.gitlab.io"}
    assert inputs["name"] == "gitlab-runner-team-hello"
    values = plain(inputs["values"])
    assert values["gitlabUrl"] == "https://gitlab.devops.example.com"
    assert values["concurrent"] == 3


def test_there_is_one_kind_of_runner(mirrored_stack: Recorder) -> None:
    assert not [r for r in mirrored_stack.everything if r.name.startswith("gitlab-runner")]


def test_the_token_is_in_a_secret_and_nowhere_else(mirrored_stack: Recorder) -> None:
    secret = mirrored_stack.one("kubernetes-runner-token-team-hello", SECRET)
    content = secret.inputs["stringData"]
    assert plain(content["runner-token"]) == "TOKEN-project-team-hello-runner"
    assert contains_secret(content["runner-token"])
    # GitLab's chart mounts this entry too.
    assert content["runner-registration-token"] == ""
    assert release(mirrored_stack)["values"]["runners"]["secret"] == "token-team-hello"
    for registered in mirrored_stack.of_type(RELEASE):
        assert "TOKEN" not in json.dumps(plain(registered.inputs)), registered.name


def test_another_token_or_ca_restarts_the_runner(mirrored_stack: Recorder) -> None:
    one, two = (release(mirrored_stack, name)["values"]["podAnnotations"] for name in ("team-hello", "team-auto"))
    assert isinstance(one["auto-devops/checksum"], Secret)
    assert plain(one) != plain(two)


def test_gitlab_is_checked_against_the_ca(mirrored_stack: Recorder) -> None:
    secret = mirrored_stack.one("kubernetes-runner-gitlab-ca", SECRET)
    assert secret.inputs["stringData"] == {"gitlab.devops.example.com.crt": "CERT ca-root\n"}
    assert release(mirrored_stack)["values"]["certsSecretName"] == secret.inputs["metadata"]["name"]


def test_jobs_use_the_shared_engine_by_mutual_tls(mirrored_stack: Recorder) -> None:
    secret = mirrored_stack.one("kubernetes-runner-docker-client", SECRET)
    assert plain(secret.inputs["stringData"]) == {
        "ca.pem": "CERT ca-root\n",
        "cert.pem": "CERT kubernetes-runner-client-certificate\n",
        "key.pem": "KEY kubernetes-runner-client-key\n",
    }
    assert contains_secret(secret.inputs["stringData"]["key.pem"])
    assert secret.secret_outputs == ["data", "stringData"]
    assert mirrored_stack.one("kubernetes-runner-client-certificate").inputs["caCertPem"] == "CERT ca-clients-root\n"
    runner = runners_config(mirrored_stack)
    assert "DOCKER_HOST=tcp://docker.devops.example.com:2376" in runner["environment"]
    assert "DOCKER_TLS_VERIFY=1" in runner["environment"]
    (mount,) = runner["kubernetes"]["volumes"]["secret"]
    assert mount == {"name": "docker-client", "mount_path": "/certs/client", "read_only": True}


def runners_config(recorder: Recorder, name: str = "team-hello") -> dict[str, Any]:
    (runner,) = tomllib.loads(plain(release(recorder, name)["values"]["runners"]["config"]))["runners"]
    assert isinstance(runner, dict)
    return runner


def test_jobs_have_no_power_in_the_cluster(mirrored_stack: Recorder) -> None:
    kubernetes = runners_config(mirrored_stack)["kubernetes"]
    assert kubernetes["privileged"] is False
    assert kubernetes["automount_service_account_token"] is False
    namespace = mirrored_stack.one("kubernetes-runner-namespace").inputs["metadata"]
    assert namespace["labels"]["pod-security.kubernetes.io/enforce"] == "baseline"


def test_the_runner_has_what_it_needs_in_its_namespace_and_nothing_else(mirrored_stack: Recorder) -> None:
    rbac = release(mirrored_stack)["values"]["rbac"]
    assert rbac["create"] is True
    assert "clusterWideAccess" not in rbac
    for rule in rbac["rules"]:
        assert rule["apiGroups"] == [""]
        assert "*" not in [*rule["resources"], *rule["verbs"]]
    assert {resource for rule in rbac["rules"] for resource in rule["resources"]} == {
        "pods",
        "pods/attach",
        "pods/exec",
        "pods/log",
        "secrets",
        "events",
    }


def test_projects_do_not_share_a_cache(mirrored_stack: Recorder) -> None:
    claims = mirrored_stack.of_type("kubernetes:core/v1:PersistentVolumeClaim")
    assert [claim.inputs["metadata"]["name"] for claim in claims] == ["cache-team-auto", "cache-team-hello"]
    (mount,) = runners_config(mirrored_stack)["kubernetes"]["volumes"]["pvc"]
    assert mount == {"name": "cache-team-hello", "mount_path": "/cache"}
    # The first job binds it, so waiting for that would be for ever.
    assert all(c.inputs["metadata"]["annotations"]["pulumi.com/skipAwait"] == "true" for c in claims)


def test_runners_wait_for_names_and_storage(mirrored_stack: Recorder) -> None:
    dependencies = mirrored_stack.one("kubernetes-runner-namespace").dependencies
    assert {"k8s-node-storage", "dns-resolver-k8s"} <= set(dependencies)
    needs = mirrored_stack.one("kubernetes-runner-team-hello", RELEASE).dependencies
    assert {
        "kubernetes-runner-namespace",
        "kubernetes-runner-gitlab-ca",
        "kubernetes-runner-docker-client",
        "kubernetes-runner-token-team-hello",
        "kubernetes-runner-cache-team-hello",
    } <= set(needs)


def test_runners_config(snapshot: SnapshotAssertion) -> None:
    images = {"runtime": "docker.io/library/debian:bookworm-slim", "helper": "registry.gitlab.com/helper:1"}
    text = config(Names("devops.example.com"), CiSettings.model_validate({"images": images}), "cache-team-hello")
    assert text == snapshot
    # Helm's templates are evaluated in it.
    assert "{{" not in text


def test_the_labs_chart_takes_the_values(mirrored_stack: Recorder) -> None:
    """It has the names of GitLab's chart, and refuses all that it does not perform."""
    schema = json.loads((ROOT / "standins/gitlab/charts/gitlab-runner/values.schema.json").read_text())
    jsonschema.validate(json.loads(json.dumps(plain(release(mirrored_stack)["values"]))), schema)


@pytest.mark.parametrize(
    ("image", "value"),
    [
        ("docker.io/gitlab/gitlab-runner:v19.4.0", ("docker.io", "gitlab/gitlab-runner", "v19.4.0")),
        ("mirror.corp:5000/hub/runner:1", ("mirror.corp:5000", "hub/runner", "1")),
        ("docker.io/a/b:1@sha256:0123", ("docker.io", "a/b", "1@sha256:0123")),
        ("docker.io/a/b@sha256:0123", ("docker.io", "a/b@sha256", "0123")),
    ],
)
def test_image_is_put_together_again_by_the_chart(image: str, value: tuple[str, str, str]) -> None:
    registry, path, tag = image_value(image).values()
    assert (registry, path, tag) == value
    assert f"{registry}/{path}:{tag}" == image


def test_long_names_stay_apart_and_within_helms_limit() -> None:
    one, two = short("team-" + "a" * 56 + "b"), short("team-" + "a" * 56 + "c")
    assert one != two
    assert len(f"gitlab-runner-{one}") <= 53
    assert short("team-hello") == "team-hello"


def test_charts_of_a_mirror_are_checked_against_its_ca(
    run_program: Run, good: dict[str, Any], mirror_ca: Path, mirrored_stack: Recorder
) -> None:
    good |= {"projects": PROJECTS[:1], "ci": {"runner": "kubernetes", "runnerChart": "0.91.0"}}
    good["mirrors"] = {"gitlabCharts": "https://mirror.corp/charts", "caCertificateFile": str(mirror_ca)}
    inputs = release(run_program(good))
    assert inputs["repositoryOpts"] == {"repo": "https://mirror.corp/charts", "caFile": str(mirror_ca)}
    assert inputs["version"] == "0.91.0"
    # Upstream has a public certificate, whatever the mirrors of other things have.
    assert release(mirrored_stack)["repositoryOpts"] == {"repo": "https://charts.gitlab.io"}


def test_images_have_their_upstream_names(mirrored_stack: Recorder) -> None:
    """The nodes know the mirrors; with their names in pods, none could be changed."""
    values = plain(release(mirrored_stack)["values"])
    assert values["image"]["registry"] == "docker.io"
    assert 'image = "docker.io/library/debian' in values["runners"]["config"]
