"""Pulumi mocks that remember every registration, so that tests can ask what the program registered and how."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks

# How the engine's protocol marks a secret (pulumi/sdk/go/common/resource/properties.go).
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"


@dataclass(frozen=True)
class Secret:
    """A value that was registered as secret."""

    value: Any


@dataclass
class Registered:
    """One resource as it was registered. Names stand for URNs; inputs keep their secret marks as `Secret`."""

    type: str
    name: str
    parent: str
    inputs: dict[str, Any]
    dependencies: list[str]
    delete_before_replace: bool
    ignore_changes: list[str]
    replacement_trigger: Any
    secret_outputs: list[str]
    provider: str
    property_dependencies: dict[str, list[str]]
    imported: str = ""
    """The id of what is there already and is taken over; "" where there is none."""
    outputs: dict[str, Any] | None = None


class Provider(Mocks):
    """Answers as the providers would, with outputs that tell which resource they come from.

    `remembered` are the stack's own outputs after its last `up`.
    """

    def __init__(self, remembered: Mapping[str, Any]) -> None:
        self._remembered = dict(remembered)

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        outputs = dict(args.inputs)
        match args.typ:
            case "tls:index/privateKey:PrivateKey":
                outputs["privateKeyPem"] = f"KEY {args.name}\n"
            case "tls:index/selfSignedCert:SelfSignedCert" | "tls:index/locallySignedCert:LocallySignedCert":
                outputs["certPem"] = f"CERT {args.name}\n"
            case "tls:index/certRequest:CertRequest":
                outputs["certRequestPem"] = f"REQUEST {args.name}\n"
            case "docker:index/remoteImage:RemoteImage":
                outputs["imageId"] = f"sha256:{args.name}"
            case "command:remote:Command":
                outputs |= {"stdout": f"printed-by {args.name}", "stderr": ""}
            case "gitlab:index/group:Group" | "gitlab:index/project:Project":
                if args.typ.endswith("Project"):
                    outputs |= {"httpUrlToRepo": f"https-of {args.name}", "sshUrlToRepo": f"ssh-of {args.name}"}
                # GitLab's are numbers.
                return str(number(args.name)), outputs
            case "gitlab:index/userRunner:UserRunner":
                outputs["token"] = f"TOKEN-{args.name}"
            case "gitlab:index/clusterAgent:ClusterAgent":
                outputs["agentId"] = number(args.name)
            case "gitlab:index/clusterAgentToken:ClusterAgentToken":
                outputs |= {"tokenId": number(args.name), "token": f"TOKEN-{args.name}"}
            case "gitlab:index/projectDeployToken:ProjectDeployToken":
                outputs |= {"username": f"user-of-{args.name}", "token": f"TOKEN-{args.name}"}
            case "kubernetes:core/v1:Secret" if args.inputs.get("type") == "kubernetes.io/service-account-token":
                # The cluster fills it.
                outputs["data"] = {key: _base64(f"{key} of {args.name}") for key in ("ca.crt", "token", "namespace")}
        return f"{args.name}-id", outputs

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        if args.token == "pulumi:pulumi:readStackOutputs":
            assert args.args == {"name": "organization/auto-devops/test"}, args.args
            return {"outputs": self._remembered, "secretOutputNames": []}, []
        raise AssertionError(f"the program calls no provider function, but asked for {args.token}")


class Recorder(MockMonitor):
    """The engine's side of the mocks: records what is registered, then answers."""

    def __init__(self, remembered: Mapping[str, Any]) -> None:
        super().__init__(Provider(remembered))
        self.registered: dict[str, Registered] = {}
        self.exported: dict[str, Any] = {}

    def RegisterResource(self, request: Any) -> Any:
        response = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        if request.type == "tls:index/privateKey:PrivateKey":
            # The provider's schema marks it; the mocks have no way to say so.
            output = response.object.fields["privateKeyPem"]
            text = output.string_value
            output.struct_value.fields[_SIGNATURE].string_value = _SECRET
            output.struct_value.fields["value"].string_value = text
        self.registered[response.urn] = Registered(
            type=request.type,
            name=request.name,
            parent=_name(request.parent),
            inputs=dict(_fields(request.object)),
            dependencies=sorted(_name(urn) for urn in request.dependencies),
            delete_before_replace=request.deleteBeforeReplace,
            ignore_changes=list(request.ignoreChanges),
            replacement_trigger=(
                _value(request.replacement_trigger) if request.HasField("replacement_trigger") else None
            ),
            secret_outputs=list(request.additionalSecretOutputs),
            provider=request.provider.split("::")[-2] if request.provider else "",
            imported=request.importId,
            property_dependencies={
                key: sorted(_name(urn) for urn in value.urns) for key, value in request.propertyDependencies.items()
            },
        )
        return response

    def RegisterResourceOutputs(self, request: Any) -> Any:
        if request.urn in self.registered:
            self.registered[request.urn].outputs = dict(_fields(request.outputs))
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]

    def export(self, name: str, value: Any) -> None:
        """In place of `pulumi.export`: what the stack's output is, with its secret mark."""
        output = pulumi.Output.from_input(value)
        pulumi.Output.all(output, output.is_secret()).apply(
            lambda known: self.exported.update({name: Secret(known[0]) if known[1] else known[0]})
        )

    @property
    def everything(self) -> list[Registered]:
        """Everything registered but the stack itself, sorted by name and type."""
        found = [r for r in self.registered.values() if r.type != "pulumi:pulumi:Stack"]
        return sorted(found, key=lambda r: (r.name, r.type))

    def one(self, name: str, type_: str | None = None) -> Registered:
        """The resource called `name`, and of `type_` where several kinds share the name."""
        found = [r for r in self.everything if r.name == name and type_ in (None, r.type)]
        assert len(found) == 1, f"{name} is {[r.type for r in found]}, among {[r.name for r in self.everything]}"
        return found[0]

    def of_type(self, type_: str) -> list[Registered]:
        """All resources of a type."""
        return [r for r in self.everything if r.type == type_]


def start(remembered: Mapping[str, Any] | None = None) -> Recorder:
    """Fresh mocks for one test, of a stack with those outputs; what the test registers is in the returned recorder."""
    recorder = Recorder(remembered or {})
    pulumi.runtime.set_mocks(
        recorder.mocks,
        project="auto-devops",
        stack="test",
        preview=False,
        monitor=recorder,
        organization="organization",
    )
    return recorder


def number(name: str) -> int:
    """The id that GitLab gives to what is registered as `name`."""
    return zlib.crc32(name.encode())


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _name(urn: str) -> str:
    return urn.rsplit("::", 1)[-1]


def _fields(struct: Any) -> Iterator[tuple[str, Any]]:
    for key, value in struct.fields.items():
        yield key, _value(value)


def _value(value: Any) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        fields = value.struct_value.fields
        if _SIGNATURE in fields and fields[_SIGNATURE].string_value == _SECRET:
            return Secret(_value(fields["value"]))
        return dict(_fields(value.struct_value))
    if kind == "list_value":
        return [_value(item) for item in value.list_value.values]
    return None if kind == "null_value" else getattr(value, kind)


def contains_secret(value: Any) -> bool:
    """Whether anything inside `value` is marked secret."""
    if isinstance(value, dict):
        return any(contains_secret(item) for item in value.values())
    if isinstance(value, list):
        return any(contains_secret(item) for item in value)
    return isinstance(value, Secret)


def plain(value: Any) -> Any:
    """`value` without its secret marks."""
    if isinstance(value, Secret):
        return plain(value.value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value
