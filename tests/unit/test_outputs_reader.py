"""How another stack's program reads the outputs: typed, secret, or a sentence about what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Never, get_args, get_origin, get_type_hints

import pulumi
import pytest
from pulumi.runtime import rpc
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs, Mocks
from pulumi.runtime.stack import massage
from syrupy.assertion import SnapshotAssertion

from outputs import DockerClient, Ingress, Platform, Project
from outputs.kubernetes import provider
from outputs.model import OUTPUTS
from outputs.reader import convert

STACK = "organization/auto-devops/home"
FOUND: dict[str, Any] = {
    "domain": "devops.example.com",
    "addresses": {"k8s": "192.168.80.96"},
    "dockerClient": {"ca": "CA", "certificate": "CERTIFICATE", "key": "KEY"},
    "projects": {
        "team-hello": {
            "url": "https://gitlab.devops.example.com/team/hello",
            "serviceUrl": "http://team-hello.k8s.devops.example.com",
            "cloneHttps": "https://gitlab.devops.example.com/team/hello.git",
            "cloneSsh": "git@gitlab.devops.example.com:team/hello.git",
            "branch": "main",
        }
    },
    "keptRepositories": [],
    "gitlabSshPort": 22,
    "gitlabToken": "TOKEN",
    "kubeconfig": "KUBECONFIG",
    "kubernetesEndpoint": "https://192.168.80.96:6443",
    "ingress": {"http": "192.168.80.96:80", "https": "192.168.80.96:443"},
}
"""What is in the state of a stack, of which some outputs are enough here."""


class Engine(Mocks):
    """Hands over a stack's outputs as the engine does, and remembers the providers that are registered."""

    def __init__(self, outputs: Mapping[str, Any], secret: list[str]) -> None:
        self.outputs, self.secret = dict(outputs), secret
        self.providers: dict[str, dict[str, Any]] = {}

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        if args.typ != "pulumi:pulumi:StackReference":
            self.providers[args.name] = dict(args.inputs)
            return f"{args.name}-id", dict(args.inputs)
        outputs = {
            key: pulumi.Output.secret(value) if key in self.secret else value for key, value in self.outputs.items()
        }
        return STACK, {"name": STACK, "outputs": outputs, "secretOutputNames": self.secret}

    def call(self, args: MockCallArgs) -> Never:
        raise AssertionError(f"a reader calls nothing, but asked for {args.token}")


def read(
    wanted: Callable[[Platform], Any],
    outputs: Mapping[str, Any] = FOUND,
    secret: tuple[str, ...] = ("dockerClient", "gitlabToken", "kubeconfig"),
) -> tuple[Any, bool]:
    """What another stack's program gets of `wanted`, and whether it is secret."""
    engine = Engine(outputs, [name for name in secret if name in outputs])
    pulumi.runtime.set_mocks(engine, project="another", stack="test", preview=False)
    got: list[tuple[Any, bool]] = []

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def program() -> pulumi.Output[Any]:
        output = wanted(Platform(pulumi.StackReference("platform", stack_name=STACK)))
        return pulumi.Output.all(pulumi.Output.unsecret(output), output.is_secret()).apply(
            lambda known: got.append((known[0], known[1]))
        )

    program()
    (result,) = got
    return result


def test_the_readers_attributes_are_the_model() -> None:
    hints = get_type_hints(Platform)
    assert {get_origin(hint) for hint in hints.values()} == {pulumi.Output}
    assert {name: get_args(hint)[0] for name, hint in hints.items()} == {
        name: output.field.annotation for name, output in OUTPUTS.items()
    }


def test_one_output() -> None:
    assert read(lambda platform: platform.domain) == ("devops.example.com", False)


def test_a_number_arrives_as_a_float_and_is_whole_again() -> None:
    def raw(platform: Platform) -> pulumi.Output[Any]:
        return platform._reference.get_output("gitlabSshPort")

    assert isinstance(read(raw)[0], float), "else there would be nothing to mend"
    port, _ = read(lambda platform: platform.gitlab_ssh_port)
    assert port == 22 and isinstance(port, int)


def test_objects_are_typed() -> None:
    assert read(lambda platform: platform.ingress)[0] == Ingress(http="192.168.80.96:80", https="192.168.80.96:443")
    projects, _ = read(lambda platform: platform.projects)
    assert isinstance(projects["team-hello"], Project)
    assert projects["team-hello"].service_url == "http://team-hello.k8s.devops.example.com"
    assert read(lambda platform: platform.addresses)[0] == {"k8s": "192.168.80.96"}


def test_empty_is_a_value() -> None:
    assert read(lambda platform: platform.projects, FOUND | {"projects": {}}) == ({}, False)
    assert read(lambda platform: platform.kept_repositories) == ([], False)


def test_a_secret_stays_one() -> None:
    assert read(lambda platform: platform.gitlab_token) == ("TOKEN", True)
    client = DockerClient(ca="CA", certificate="CERTIFICATE", key="KEY")
    assert read(lambda platform: platform.docker_client) == (client, True)


def test_a_secret_is_one_also_where_the_state_has_forgotten_it() -> None:
    assert read(lambda platform: platform.gitlab_token, secret=()) == ("TOKEN", True)


def test_what_the_state_has_as_a_secret_stays_one() -> None:
    assert read(lambda platform: platform.domain, secret=("domain",)) == ("devops.example.com", True)


def test_null_is_none() -> None:
    """Null is not in the state; see `convert`."""
    assert "dnsServer" not in FOUND
    assert read(lambda platform: platform.dns_server) == (None, False)


def test_what_is_in_an_object_is_an_output_too() -> None:
    assert read(lambda platform: platform.ingress.http) == ("192.168.80.96:80", False)
    assert read(lambda platform: platform.docker_client.key) == ("KEY", True)


def test_an_object_is_exported_as_a_dictionary_or_not_at_all() -> None:
    """By itself `pulumi.export` would make a list of pairs of it."""
    ingress, _ = read(lambda platform: platform.ingress)
    with pytest.raises(TypeError, match=r"model_dump\(by_alias=True\)"):
        massage(ingress, [])
    assert massage(ingress.model_dump(by_alias=True), []) == FOUND["ingress"]


def test_newer_programs_tell_more() -> None:
    newer = FOUND["ingress"] | {"tcp": "192.168.80.96:9000"}
    assert read(lambda platform: platform.ingress, FOUND | {"ingress": newer})[0].http == "192.168.80.96:80"


WRONG: dict[str, tuple[Callable[[Platform], Any], dict[str, Any]]] = {
    "no stack yet": (lambda platform: platform.domain, {}),
    "no stack yet, and null would be right": (lambda platform: platform.dns_server, {}),
    "an older program": (lambda platform: platform.registry_url, FOUND),
    "no GitLab": (lambda platform: platform.gitlab_url, FOUND),
    "no cluster": (lambda platform: platform.base_domain, FOUND),
    "another passphrase": (lambda platform: platform.kubeconfig, FOUND | {"kubeconfig": {}}),
    "another passphrase, of an object": (lambda platform: platform.docker_client, FOUND | {"dockerClient": {}}),
    "another type": (lambda platform: platform.gitlab_ssh_port, FOUND | {"gitlabSshPort": "none"}),
    "half a number": (lambda platform: platform.gitlab_ssh_port, FOUND | {"gitlabSshPort": 22.5}),
    "an older project": (lambda platform: platform.projects, FOUND | {"projects": {"team-hello": {"url": "secret"}}}),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_had_ends_in_a_sentence(case: str, snapshot: SnapshotAssertion) -> None:
    wanted, outputs = WRONG[case]
    with pytest.raises(pulumi.RunError) as raised:
        read(wanted, outputs)
    message = str(raised.value)
    assert STACK in message and "secret" not in message.replace("is a secret", "").replace("-secrets-", "")
    assert message == snapshot


def test_values_are_in_no_message() -> None:
    """Nor in the error that it came from, which a traceback would show."""
    with pytest.raises(pulumi.RunError) as raised:
        convert(STACK, OUTPUTS["gitlab_token"], ["correct horse"])
    assert "correct horse" not in str(raised.value)
    assert raised.value.__context__ is None and raised.value.__cause__ is None


def test_only_what_is_asked_for_has_to_be_there() -> None:
    """FOUND has no gitlabUrl, and nobody asks for it."""
    assert read(lambda platform: platform.gitlab_ssh_port)[0] == 22


def test_an_attribute_that_is_no_output() -> None:
    with pytest.raises(AttributeError, match="no output 'gitlab_uri'"):
        read(lambda platform: getattr(platform, "gitlab_uri"))  # noqa: B009 - mypy would not have it otherwise


def test_the_provider_knows_the_cluster_by_its_address() -> None:
    """Not by its kubeconfig, whose certificate is renewed: see `provider`."""
    engine = Engine(FOUND, ["kubeconfig"])
    pulumi.runtime.set_mocks(engine, project="another", stack="test", preview=False)

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def program() -> pulumi.Output[str]:
        made = provider(Platform(pulumi.StackReference(STACK)), "cluster")
        return made.urn

    program()
    assert engine.providers["cluster"]["clusterIdentifier"] == "https://192.168.80.96:6443"
    kubeconfig = engine.providers["cluster"]["kubeconfig"]
    assert rpc.is_rpc_secret(kubeconfig) and rpc.unwrap_rpc_secret(kubeconfig) == "KUBECONFIG"
