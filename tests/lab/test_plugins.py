"""The docker and kubernetes plugins, stand-in or official, by programs of their own on the machines of stack dev.

As tests/conformance for the plugins that need no machine.
"""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pulumi_docker as docker
import pulumi_kubernetes as kubernetes
import pytest

from lab import stack as dev
from tests.conformance.conftest import Start, built, plugins, start
from tests.conformance.engine import Program
from tests.lab.driver import Lab

__all__ = ["built", "start"]

pytestmark = pytest.mark.state("up")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "plugin" in metafunc.fixturenames:
        provider = "docker" if "container" in metafunc.function.__name__ else "kubernetes"
        found = plugins(provider)
        metafunc.parametrize("plugin", found.values(), ids=found)


@pytest.fixture(scope="module")
def outputs() -> dict[str, Any]:
    """Stack dev's outputs."""
    return dev.outputs(secret=True)


def container(outputs: dict[str, Any], **given: Any) -> Program:
    """A network, a volume, and a container of an image that is there: the registry's own, which waits for requests."""

    def program() -> None:
        client = outputs["dockerClient"]
        engine = docker.Provider(
            "engine",
            host=f"tcp://{outputs['addresses']['registry']}:2376",
            ca_material=client["ca"],
            cert_material=client["certificate"],
            key_material=client["key"],
        )
        opts = pulumi.ResourceOptions(provider=engine)
        network = docker.Network("network", name="conformance", opts=opts)
        volume = docker.Volume("volume", name="conformance", opts=opts)
        image = docker.RemoteImage("image", name=given["image"], keep_locally=True, opts=opts)
        made = docker.Container(
            "container",
            name="conformance",
            image=image.image_id,
            envs=given.get("envs", ["ONE=1"]),
            restart=given.get("restart", "no"),
            networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=network.name, aliases=["here"])],
            volumes=[docker.ContainerVolumeArgs(volume_name=volume.name, container_path="/data")],
            opts=pulumi.ResourceOptions(provider=engine, delete_before_replace=True),
        )
        pulumi.export("id", made.id)
        pulumi.export("image", image.image_id)

    return program


@pytest.fixture
def image(lab: Lab) -> str:
    """The registry's image, by the name that its machine has it under."""
    return (
        lab.on(
            "registry",
            "docker inspect --format '{{.Config.Image}}' registry | xargs docker image inspect "
            "--format '{{index .RepoTags 0}}'",
        )
        .succeeded()
        .output.strip()
    )


def test_a_container_is_as_registered_and_goes_again(
    start: Start, lab: Lab, outputs: dict[str, Any], image: str
) -> None:
    stack = start(container(outputs, image=image))
    assert set(stack.up().operations.values()) == {"create"}
    shown = json.loads(lab.on("registry", "docker inspect conformance").succeeded().output)
    found = next(each for each in shown if "Config" in each)
    assert "ONE=1" in found["Config"]["Env"]
    assert "here" in found["NetworkSettings"]["Networks"]["conformance"]["Aliases"]
    assert [mount["Name"] for mount in found["Mounts"] if mount["Destination"] == "/data"] == ["conformance"]
    assert found["State"]["Running"]
    assert set(stack.up().operations.values()) == {"same"}
    stack.destroy()
    left = lab.on(
        "registry",
        "docker ps -aq -f name=conformance; docker volume ls -q -f name=conformance; "
        "docker network ls -q -f name=conformance",
    ).succeeded()
    assert left.output.strip() == ""
    # It was there before, and `keep_locally` says that it stays.
    lab.on("registry", f"docker image inspect {image}").succeeded()


@pytest.mark.full
def test_a_container_is_replaced_by_another_environment_but_not_its_volume(
    start: Start, outputs: dict[str, Any], image: str
) -> None:
    stack = start(container(outputs, image=image))
    first = stack.up().outputs["id"]
    changed = stack.up(container(outputs, image=image, envs=["ONE=2"]))
    assert "replace" in changed.operations["container"] or changed.operations["container"] == "delete-replaced"
    assert changed.outputs["id"] != first
    assert (changed.operations["volume"], changed.operations["network"]) == ("same", "same")


@pytest.mark.full
def test_a_container_has_another_restart_policy_in_place(start: Start, outputs: dict[str, Any], image: str) -> None:
    stack = start(container(outputs, image=image))
    first = stack.up().outputs["id"]
    changed = stack.up(container(outputs, image=image, restart="always"))
    assert changed.operations["container"] == "update"
    assert changed.outputs["id"] == first


@pytest.mark.full
def test_a_container_that_somebody_removed_is_made_again(
    start: Start, lab: Lab, outputs: dict[str, Any], image: str
) -> None:
    stack = start(container(outputs, image=image))
    stack.up()
    lab.on("registry", "docker rm -f conformance").succeeded()
    stack.refresh()
    assert stack.up().operations["container"] == "create"


def objects(outputs: dict[str, Any], **given: Any) -> Program:
    """A namespace with a ConfigMap, a Secret and a ServiceAccount, by a provider as the program has it.

    Without `force` it leaves what somebody else has changed meanwhile to them.
    """

    def program() -> None:
        force = given.get("force", True)
        cluster = kubernetes.Provider("cluster", kubeconfig=outputs["kubeconfig"], enable_patch_force=force)
        opts = pulumi.ResourceOptions(provider=cluster)
        labels = given.get("labels", {})
        space = kubernetes.core.v1.Namespace("space", metadata={"name": "conformance", "labels": labels}, opts=opts)

        def named(name: str = "one") -> kubernetes.meta.v1.ObjectMetaArgs:
            return kubernetes.meta.v1.ObjectMetaArgs(name=name, namespace=space.metadata["name"])

        made = kubernetes.core.v1.ConfigMap(
            "map", metadata=named(), data=given.get("data", {"key": "value"}), opts=opts
        )
        secret = kubernetes.core.v1.Secret(
            "secret", metadata=named(), string_data={"password": "nobody reads this"}, opts=opts
        )
        account = kubernetes.core.v1.ServiceAccount("account", metadata=named(given.get("account", "one")), opts=opts)
        pulumi.export("space", space.metadata["uid"])
        pulumi.export("map", made.metadata["uid"])
        pulumi.export("secret", secret.metadata["uid"])
        pulumi.export("account", account.metadata["uid"])

    return program


def test_objects_are_as_registered_and_go_again(start: Start, lab: Lab, outputs: dict[str, Any]) -> None:
    stack = start(objects(outputs))
    assert set(stack.up().operations.values()) == {"create"}
    assert lab.workstation("kubectl -n conformance get configmap one -o jsonpath='{.data.key}'") == "value"
    assert set(stack.up().operations.values()) == {"same"}
    assert "nobody reads this" not in stack.text()
    stack.destroy()
    lab.on("workstation", "kubectl get namespace conformance").failed()


@pytest.mark.full
def test_objects_change_in_place_and_another_name_is_another_object(
    start: Start, lab: Lab, outputs: dict[str, Any]
) -> None:
    stack = start(objects(outputs))
    first = stack.up().outputs
    changed = stack.up(objects(outputs, labels={"key": "another"}, account="two"))
    assert changed.operations["space"] == "update"
    assert changed.outputs["space"] == first["space"]
    assert changed.operations["account"] != "update"
    assert changed.outputs["account"] != first["account"]
    assert lab.workstation("kubectl get namespace conformance -o jsonpath='{.metadata.labels.key}'") == "another"


@pytest.mark.full
def test_a_config_map_with_other_data_is_another_object(start: Start, lab: Lab, outputs: dict[str, Any]) -> None:
    """Unless the provider has `enableConfigMapMutable` (pulumi-kubernetes 4.34, provider/pkg/provider/diff.go)."""
    stack = start(objects(outputs))
    first = stack.up().outputs
    changed = stack.up(objects(outputs, data={"key": "another"}))
    assert "replace" in changed.operations["map"]
    assert changed.outputs["map"] != first["map"]
    assert lab.workstation("kubectl -n conformance get configmap one -o jsonpath='{.data.key}'") == "another"


@pytest.mark.full
def test_drift_of_objects_is_seen_and_mended(start: Start, lab: Lab, outputs: dict[str, Any]) -> None:
    stack = start(objects(outputs, labels={"key": "value"}))
    stack.up()
    lab.workstation('kubectl patch namespace conformance --patch \'{"metadata": {"labels": {"key": "by-hand"}}}\'')
    lab.workstation('kubectl -n conformance patch configmap one --type merge --patch \'{"data": {"key": "by hand"}}\'')
    stack.refresh()
    mended = stack.up().operations
    assert mended["space"] == "update"
    assert "replace" in mended["map"]
    assert lab.workstation("kubectl get namespace conformance -o jsonpath='{.metadata.labels.key}'") == "value"
    assert lab.workstation("kubectl -n conformance get configmap one -o jsonpath='{.data.key}'") == "value"


@pytest.mark.full
def test_what_somebody_changed_is_a_conflict_without_force(start: Start, lab: Lab, outputs: dict[str, Any]) -> None:
    """Why the program has `enablePatchForce` (pulumi-kubernetes 4.33, provider/pkg/await/await.go, patchForce)."""
    stack = start(objects(outputs, labels={"key": "value"}, force=False))
    stack.up()
    lab.workstation('kubectl patch namespace conformance --patch \'{"metadata": {"labels": {"key": "by-hand"}}}\'')
    stack.refresh()
    told = stack.failure()
    assert "conflict" in told and ".metadata.labels.key" in told
    assert lab.workstation("kubectl get namespace conformance -o jsonpath='{.metadata.labels.key}'") == "by-hand"


@pytest.mark.full
def test_objects_that_somebody_deleted_are_made_again(start: Start, lab: Lab, outputs: dict[str, Any]) -> None:
    stack = start(objects(outputs))
    stack.up()
    lab.workstation("kubectl -n conformance delete configmap one")
    stack.refresh()
    assert stack.up().operations["map"] == "create"


@pytest.mark.full
def test_objects_that_the_cluster_refuses_are_told(start: Start, outputs: dict[str, Any]) -> None:
    assert "Not a name" in start(objects(outputs, account="Not a name")).failure()
