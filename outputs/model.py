"""What a stack of this program tells people and other stacks, typed.

Owns every output's name, type and secrecy, since when it is there and in which stacks; docs/outputs.md and both readers
are made from it or held against it. Does not own the values: `__main__.py` exports them, and tests/unit/test_outputs.py
says when they are not as told here. Needs no Pulumi.

Names are camelCase in the stack and snake_case here. An addition is a new field with its `since`. What is there keeps
its name, type and secrecy: other people's stacks read it.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Never, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

FIRST = "2026.11"
"""A version is the year and month of the program's commit (`git log -1 --date=format:%Y.%m --format=%cd`)."""


def told(description: str, example: object, *, secret: bool = False, since: str = FIRST) -> Any:
    """A field that a stack tells: what it is for, what it looks like, since which version of the program.

    `secret` is said of a whole output, which has it for all that is in it.
    """
    examples = [] if example is None else [example]
    marks: dict[str, Any] = {"secret": True} if secret else {}
    return Field(description=description, examples=examples, json_schema_extra={"since": since, **marks})


class Told(BaseModel):
    """Something that a stack tells. What a newer program adds is no error for an older reader."""

    model_config = ConfigDict(
        # Pydantic's messages have the value otherwise, and it may be secret.
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    def __iter__(self) -> Never:
        # `pulumi.export` would make a list of pairs of it (massage_complex in pulumi 3.259.0's runtime/stack.py).
        raise TypeError(f"a {type(self).__name__} is no list; model_dump(by_alias=True) makes a dictionary of it")


class DockerClient(Told):
    """A client's certificate for the shared Docker engine, as PEM."""

    ca: str = told("the root that the engine's certificate comes from", "-----BEGIN CERTIFICATE-----…")
    certificate: str = told("the client's certificate", "-----BEGIN CERTIFICATE-----…")
    key: str = told("its key", "-----BEGIN PRIVATE KEY-----…")


class Ingress(Told):
    """Where ingress answers."""

    http: str = told("address and port", "192.168.80.96:80")
    https: str = told("address and port", "192.168.80.96:443")


class Project(Told):
    """Where a project is."""

    url: str = told("its page in GitLab", "https://gitlab.devops.example.com/demo/hello")
    service_url: str = told("where what its pipeline deploys answers", "http://demo-hello.k8s.devops.example.com")
    clone_https: str = told("its repository by HTTPS", "https://gitlab.devops.example.com/demo/hello.git")
    clone_ssh: str = told("its repository by SSH", "git@gitlab.devops.example.com:demo/hello.git")
    branch: str = told("its default branch", "main")


class Part(Told):
    """Outputs that a stack has all of or none of."""

    NEEDS: ClassVar[tuple[str, str] | None] = None
    """What a stack has where it has these, in a word, and the setting that brings it; None: every stack has them."""


class EveryStack(Part):
    """In every stack"""

    domain: str = told("the platform's own DNS domain", "devops.example.com")
    ca_certificate: str = told(
        "the root that all of the platform's certificates come from, as PEM", "-----BEGIN CERTIFICATE-----…"
    )
    dns_server: str | None = told(
        "the address of the platform's own name server; null where names are somebody else's (`dns.provider`)",
        "192.168.80.110",
    )
    registry_url: str = told(
        "the registry; images are named by what follows `https://`", "https://registry.devops.example.com"
    )
    registry_ui_url: str = told("the registry's web page", "https://registry.devops.example.com")
    docker_endpoint: str = told(
        "the shared Docker engine, as DOCKER_HOST has it", "tcp://docker.devops.example.com:2376"
    )
    docker_client: DockerClient = told("what a client of that engine needs", None, secret=True)
    addresses: dict[str, str] = told("the machines' addresses, by their names in `hosts`", {"gitlab": "192.168.80.113"})
    projects: dict[str, Project] = told(
        "the projects, by `<group>-<project>`; empty without GitLab, cluster or projects", None
    )
    kept_repositories: list[str] = told(
        "the projects that the stack refuses to lose (`keepRepository`), as `<group>/<project>`", ["demo/hello"]
    )


class WithGitLab(Part):
    """With GitLab"""

    NEEDS = ("GitLab", "gitlab.host")

    gitlab_url: str = told("GitLab", "https://gitlab.devops.example.com")
    gitlab_registry: str = told("GitLab's own registry, as images name it", "gitlab.devops.example.com:4567")
    gitlab_ssh_port: int = told("the port of git by SSH", 22)
    gitlab_token: str = told(
        "an administrator's access token for GitLab's API and git; another one in every period (`gitlab.tokenDays`)",
        "glpat-…",
        secret=True,
    )


class WithCluster(Part):
    """With a cluster"""

    NEEDS = ("a cluster", "kubernetes.host")

    kubeconfig: str = told(
        "the cluster administrator's kubeconfig, as YAML; changes when its certificate is renewed", "…", secret=True
    )
    kubernetes_endpoint: str = told("the API server, by address", "https://192.168.80.96:6443")
    kubernetes_version: str = told("the version that runs", "1.36.3")
    base_domain: str = told("applications are at `<name>.<baseDomain>`", "k8s.devops.example.com")
    ingress: Ingress = told("where ingress answers, by scheme", None)


PARTS: tuple[type[Part], ...] = (EveryStack, WithGitLab, WithCluster)
"""All that a stack may tell."""


@dataclass(frozen=True)
class Described:
    """One output, or one key of an object in it."""

    name: str
    """As the stack has it: camelCase."""
    attribute: str
    """As Python has it: snake_case."""
    field: FieldInfo
    part: type[Told]

    @property
    def type(self) -> Any:
        """Its type, of one that may be null the other arm."""
        return next(arm for arm in self._arms if arm is not types.NoneType)

    @property
    def nullable(self) -> bool:
        """Whether it may be null, and then is not in the stack's state at all."""
        return types.NoneType in self._arms

    @property
    def secret(self) -> bool:
        """Whether it is encrypted in the state, all of it."""
        return "secret" in self._extra

    @property
    def since(self) -> str:
        """The version of the program that brought it."""
        return str(self._extra["since"])

    @property
    def needs(self) -> tuple[str, str] | None:
        """See `Part.NEEDS`."""
        return self.part.NEEDS if issubclass(self.part, Part) else None

    @property
    def by_name(self) -> bool:
        """Whether it has keys of the user's own, and so may be empty."""
        return get_origin(self.type) is dict

    @property
    def _arms(self) -> tuple[Any, ...]:
        union = get_origin(self.field.annotation) is types.UnionType
        return get_args(self.field.annotation) if union else (self.field.annotation,)

    @property
    def _extra(self) -> Mapping[str, Any]:
        extra = self.field.json_schema_extra
        assert isinstance(extra, dict), f"{self.name} has to be made by told(…)"
        return extra


def described(part: type[Told]) -> Iterator[Described]:
    """All fields of a part, or of an object in one."""
    for attribute, field in part.model_fields.items():
        yield Described(field.alias or attribute, attribute, field, part)


OUTPUTS: Mapping[str, Described] = {output.attribute: output for part in PARTS for output in described(part)}
"""All outputs, by attribute."""
