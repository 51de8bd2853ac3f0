"""The outputs of a stack of this program, in another stack's program.

Owns how a value that a StackReference hands over becomes one of the model's type, or a sentence. Does not own the
StackReference, nor what is done with the values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pulumi
from pydantic import TypeAdapter, ValidationError

from . import sentences
from .model import OUTPUTS, Described, DockerClient, Ingress, Project


class Platform:
    """What a stack of auto-devops tells: each output typed, secret where it is one, and read when it is asked for.

    One that the stack does not have ends the program in a sentence, but only where it is asked for: who needs no GitLab
    can read a stack without it.
    """

    domain: pulumi.Output[str]
    ca_certificate: pulumi.Output[str]
    dns_server: pulumi.Output[str | None]
    registry_url: pulumi.Output[str]
    registry_ui_url: pulumi.Output[str]
    docker_endpoint: pulumi.Output[str]
    docker_client: pulumi.Output[DockerClient]
    addresses: pulumi.Output[dict[str, str]]
    projects: pulumi.Output[dict[str, Project]]
    kept_repositories: pulumi.Output[list[str]]

    gitlab_url: pulumi.Output[str]
    gitlab_registry: pulumi.Output[str]
    gitlab_ssh_port: pulumi.Output[int]
    gitlab_token: pulumi.Output[str]

    kubeconfig: pulumi.Output[str]
    kubernetes_endpoint: pulumi.Output[str]
    kubernetes_version: pulumi.Output[str]
    base_domain: pulumi.Output[str]
    ingress: pulumi.Output[Ingress]

    def __init__(self, reference: pulumi.StackReference) -> None:
        self._reference = reference

    # Not at once: an Output that fails ends the program, also if nobody needs it. mypy knows just the names above.
    if not TYPE_CHECKING:

        def __getattr__(self, attribute: str) -> pulumi.Output[Any]:
            if attribute not in OUTPUTS:
                raise AttributeError(f"a stack of auto-devops has no output {attribute!r}", name=attribute, obj=self)
            output = _read(self._reference, OUTPUTS[attribute])
            setattr(self, attribute, output)
            return output


def _read(reference: pulumi.StackReference, output: Described) -> pulumi.Output[Any]:
    # All outputs together are secret if one of them is. Only whether there are any goes on from here.
    anything = pulumi.Output.unsecret(reference.outputs).apply(bool)
    known = pulumi.Output.all(reference.name, reference.get_output(output.name), anything)
    value = known.apply(lambda found: convert(found[0], output, found[1], anything=found[2]))
    # Also where the stack's own program has forgotten it.
    return pulumi.Output.secret(value) if output.secret else value


def convert(stack: str, output: Described, value: object, *, anything: bool = True) -> Any:
    """The `value` of a stack's output as the model has it; whether the stack has outputs at all is `anything`.

    Raises `pulumi.RunError`, which ends a program without a traceback.
    """
    if value is None:
        if not anything:
            raise pulumi.RunError(sentences.empty(stack, output.name))
        # Null is not kept in a stack's state: it is as if the output were not there.
        if output.nullable:
            return None
        raise pulumi.RunError(sentences.missing(stack, output.name, output.since, output.needs))
    # This is what stands for a secret that cannot be decrypted; Pulumi only says "eliding undecryptable secrets", and
    # goes on (BatchDecrypt in pulumi v3.259.0's pkg/backend/secrets.go; readStackReference in its
    # pkg/resource/deploy/builtins.go).
    if value == {} and not output.by_name:
        raise pulumi.RunError(sentences.encrypted(stack, output.name))
    try:
        # Numbers arrive as 22.0 (protobuf knows no other); Pydantic makes an int of one that is whole.
        return TypeAdapter(output.type).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"]))
        found = f"{place}: {first['msg']}" if place else first["msg"]
    # Outside of `except`: Pydantic's error is no part of what is told.
    raise pulumi.RunError(sentences.unexpected(stack, output.name, found))
