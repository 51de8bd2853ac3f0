"""The settings of a stack: typed, with their defaults, validated before the first resource.

Owns the model of every key below `auto-devops:` and what each may be. Rules between keys, and those that need the
files that keys name, are in `settings_checks.py`. Keys are camelCase in YAML and snake_case here.

`load()` is what `__main__.py` calls; `parse()` is the same without Pulumi, for tests.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import pulumi
import pulumi.runtime
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, StringConstraints, TypeAdapter
from pydantic import ValidationError as PydanticValidationError
from pydantic.alias_generators import to_camel

import settings_checks
from settings_problems import NAMESPACE, Problem, problems_of, rejected, report, set_command, shape, shown, unknown_key

# What DNS leaves of a name's 253 characters below <group>-<project>.k8s
DOMAIN_LIMIT = 253 - len(".k8s.") - 63
# Used with `fullmatch`: `$` would let a line break at the end through.
LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
IMAGE = re.compile(
    # registry host with a dot or port, repository path, and a tag or digest: what is pulled must not depend on defaults
    r"(?P<registry>[a-z0-9-]+(?:\.[a-z0-9-]+)+(?::\d+)?|localhost:\d+)/(?P<path>[a-z0-9._/-]+)"
    r"(?::[A-Za-z0-9_][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
# How the version stands in the tag of GitLab's images.
GITLAB_VERSION = re.compile(r":(\d+)\.(\d+)\.(\d+)-(?:ce|ee)\.\d+(?:@.*)?\Z")
GITLAB_CHARTS = "https://charts.gitlab.io"
CALENDAR = re.compile(r"[A-Za-z0-9*,./~: -]+")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise rejected("a text; quote it in YAML")
    return value


def _domain(value: object) -> str:
    text = _text(value)
    if not text:
        raise rejected("the platform's own DNS domain, such as devops.example.com")
    if not text.isascii() or text != text.lower():
        raise rejected("lower-case ASCII letters, digits and hyphens", set_command("domain", text.lower()))
    labels = text.split(".")
    if labels[-1] == "local":
        raise rejected(
            "a domain outside .local, which multicast DNS answers on many machines",
            set_command("domain", "devops.example.com"),
        )
    if text.endswith("."):
        raise rejected("a domain without the final dot", set_command("domain", text.rstrip(".")))
    if (
        len(labels) < 2
        or len(text) > DOMAIN_LIMIT
        or not all(LABEL.fullmatch(label) for label in labels)
        or labels[-1].isdigit()
    ):
        raise rejected("a DNS domain of at least two labels, such as devops.example.com")
    return text


def _address(value: object) -> str:
    text = _text(value)
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise rejected(
            "an IPv4 or IPv6 address; names are what this stack creates, so it cannot depend on one"
        ) from None
    if address.is_loopback or address.is_multicast or address.is_unspecified or address.is_link_local:
        raise rejected("an address at which the other machines reach this one")
    return str(address)


def _network(value: object) -> str:
    try:
        return str(ipaddress.ip_network(_text(value)))
    except ValueError as error:
        # Its words for bits beyond the network's length help; they have the value, which may not be shown.
        detail = " (its address has bits beyond the network's length)" if "host bits" in str(error) else ""
        raise rejected(f"a network such as 192.168.80.0/24{detail}") from None


def _path(value: object) -> Path:
    """A local file's path: `~` is the user's home, a relative path starts at the project's directory."""
    return Path(_text(value)).expanduser().absolute()


def _image(value: object) -> str:
    text = _text(value)
    match = IMAGE.fullmatch(text)
    if not match or (":" not in text.rsplit("/", 1)[-1] and "@" not in text):
        raise rejected(
            "an image with its registry and a tag or digest, such as docker.io/library/nginx:1.28-alpine",
        )
    return text


def _gitlab_image(value: object) -> str:
    text = _image(value)
    if not GITLAB_VERSION.search(text):
        raise rejected(
            "a tag with GitLab's version, such as 19.4.0-ce.0: upgrades that GitLab does not support are refused by it",
            set_command("gitlab.image", "docker.io/gitlab/gitlab-ce:19.4.0-ce.0"),
        )
    return text


def _directory(value: object) -> str:
    text = _text(value)
    first, *rest = text.removeprefix("/").split("/")
    parts = (first, *rest)
    plain = text.startswith("/") and all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", part) for part in parts)
    system = ("bin", "boot", "dev", "etc", "lib", "proc", "run", "sbin", "sys", "tmp", "usr")
    if not plain or not rest or first in system:
        raise rejected(
            "a directory of its own for data on the machine, at least two levels deep and not one of the system's, "
            "such as /srv/gitlab"
        )
    return text


def _image_registry(value: object) -> str:
    text = _text(value)
    if "://" in text or text.endswith("/") or not re.fullmatch(r"[a-z0-9.-]+(:\d+)?(/[a-z0-9._/-]+)?", text):
        raise rejected("a registry's host, port and path without scheme, such as mirror.corp:5000/hub")
    return text


def _https_url(value: object) -> str:
    text = _text(value)
    if not re.fullmatch(r"https://[A-Za-z0-9.-]+(:\d+)?(/\S*)?", text):
        raise rejected("an https:// URL; a mirror without TLS would need an insecure engine")
    return text


def _host_key(value: object) -> str:
    parts = _text(value).split()
    if len(parts) < 2 or not re.fullmatch(r"(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521))", parts[0]):
        raise rejected("a host's public key as in /etc/ssh/ssh_host_ecdsa_key.pub: its type and its base64 text")
    settings_checks.require_public_key(" ".join(parts[:2]))
    return " ".join(parts[:2])


def _calendar(value: object) -> str:
    text = _text(value)
    if not CALENDAR.fullmatch(text) or not any(c.isdigit() or c == "*" or c.isalpha() for c in text):
        raise rejected("a systemd calendar expression, such as *-*-* 03:30:00 (try: systemd-analyze calendar '...')")
    return text


def _storage(value: object) -> str:
    text = _text(value)
    if not re.fullmatch(r"[1-9]\d*(MB|GB|TB)", text):
        raise rejected("a size such as 10GB")
    return text


def _version(value: object) -> str:
    text = _text(value)
    if not re.fullmatch(r"\d+\.\d+\.\d+", text):
        raise rejected("a whole version without v, such as 1.36.3")
    return text


def _slug(value: object) -> str:
    text = _text(value)
    if not LABEL.fullmatch(text) or "--" in text:
        raise rejected(
            "lower-case letters and digits, and single hyphens between them: it is part of names in DNS and in the "
            "cluster, and GitLab takes no others"
        )
    return text


def _branch(value: object) -> str:
    text = _text(value)
    if (
        not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_./-]*", text)
        or ".." in text
        or "//" in text
        or text.endswith(("/", ".", ".lock"))
    ):
        raise rejected("a branch's name, such as main")
    return text


def _variable(value: object) -> str:
    text = _text(value)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,254}", text):
        raise rejected("a variable's name of letters, digits and underscores, such as API_KEY")
    return text


def _masked(value: object) -> object:
    # GitLab hides a value in job logs only if it is like this (its documentation: "Mask a CI/CD variable").
    if not re.fullmatch(r"\S{8,}", _text(value)):
        raise rejected("at least 8 characters without spaces and line breaks: GitLab hides no others in job logs")
    return value


def _go_proxy(value: object) -> str:
    text = _text(value)
    if not re.fullmatch(r"(https?://[^\s,|]+|direct|off)([,|](https?://[^\s,|]+|direct|off))*", text):
        raise rejected("what Go's GOPROXY may be: URLs, direct or off, with commas between them")
    return text


def _record(value: object) -> str:
    text = _text(value)
    labels = text.split(".")
    if labels[0] == "*":
        labels = labels[1:]
    if not labels or not all(LABEL.fullmatch(label) for label in labels):
        raise rejected("a name below the domain, without the domain itself, such as wiki or *.apps")
    return text


Domain = Annotated[str, BeforeValidator(_domain)]
Address = Annotated[str, BeforeValidator(_address)]
Network = Annotated[str, BeforeValidator(_network)]
LocalPath = Annotated[Path, BeforeValidator(_path)]
Image = Annotated[str, BeforeValidator(_image)]
GitLabImage = Annotated[str, BeforeValidator(_gitlab_image)]
MachineDirectory = Annotated[str, BeforeValidator(_directory)]
ImageRegistry = Annotated[str, BeforeValidator(_image_registry)]
HttpsUrl = Annotated[str, BeforeValidator(_https_url)]
HostKey = Annotated[str, BeforeValidator(_host_key)]
Version = Annotated[str, BeforeValidator(_version)]
Storage = Annotated[str, BeforeValidator(_storage)]
Calendar = Annotated[str, BeforeValidator(_calendar)]
RecordName = Annotated[str, BeforeValidator(_record)]
Slug = Annotated[str, BeforeValidator(_slug)]
Branch = Annotated[str, BeforeValidator(_branch)]
VariableName = Annotated[str, BeforeValidator(_variable)]
MaskedSecret = Annotated[SecretStr, BeforeValidator(_masked)]
GoProxy = Annotated[str, BeforeValidator(_go_proxy)]
UserName = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")]
LoginName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
Port = Annotated[int, Field(ge=1, le=65535)]


class Section(BaseModel):
    """One object of settings: camelCase keys, unknown ones refused, immutable."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, strict=False
    )


class SshSettings(Section):
    """How to reach the machines, unless a machine says otherwise."""

    user: UserName = Field(
        "root", description="the login; other than root it needs passwordless sudo", examples=["ubuntu"]
    )
    port: Port = Field(22, description="the port of sshd", examples=[22])
    private_key_file: LocalPath = Field(
        cast(Path, "~/.ssh/id_ed25519"),
        validate_default=True,
        description="the private key's file",
        examples=["~/.ssh/id_ed25519"],
    )
    passphrase: SecretStr | None = Field(None, description="the private key's passphrase, as a secret")
    known_hosts_file: LocalPath = Field(
        cast(Path, "~/.ssh/known_hosts"),
        validate_default=True,
        description="where each machine's host key is pinned, in OpenSSH's format",
        examples=["~/.ssh/known_hosts"],
    )


class HostSettings(Section):
    """One machine."""

    address: Address = Field(description="the machine's own IP address", examples=["192.168.80.112"])
    user: UserName | None = Field(None, description="instead of ssh.user", examples=["ubuntu"])
    port: Port | None = Field(None, description="instead of ssh.port", examples=[22])
    private_key_file: LocalPath | None = Field(
        None, description="instead of ssh.privateKeyFile", examples=["~/.ssh/id_ed25519"]
    )
    passphrase: SecretStr | None = Field(None, description="instead of ssh.passphrase")
    host_key: HostKey | None = Field(
        None,
        description="the machine's public host key, instead of looking it up in ssh.knownHostsFile",
        examples=["ecdsa-sha2-nistp256 AAAA..."],
    )


class OwnCaSettings(Section):
    """A root brought along, such as an export of XCA."""

    certificate_file: LocalPath = Field(
        description="PEM file: the CA's certificate, followed by those above it if it is an intermediate",
        examples=["~/ca/root.crt"],
    )
    key_file: LocalPath = Field(description="PEM file: the CA's private key", examples=["~/ca/root.key"])
    passphrase: SecretStr | None = Field(None, description="the key's passphrase, as a secret")


class CaSettings(Section):
    """The certificate authority and the certificates it issues."""

    algorithm: Literal["ECDSA", "RSA"] = Field("ECDSA", description="the kind of all keys")
    curve: Literal["P256", "P384", "P521"] = Field("P256", description="the curve of ECDSA keys")
    rsa_bits: Literal[2048, 3072, 4096] = Field(3072, description="the size of RSA keys", examples=[3072])
    root_days: int = Field(3650, ge=30, le=36500, description="the root's lifetime in days", examples=[3650])
    certificate_days: int = Field(365, ge=1, le=825, description="a certificate's lifetime in days", examples=[365])
    renew_before_days: int = Field(
        30,
        ge=0,
        description="the first `pulumi up` within this many days of a certificate's end renews it",
        examples=[30],
    )
    own: OwnCaSettings | None = Field(None, description="a root brought along instead of a new one")


class DnsSettings(Section):
    """Who answers for the domain."""

    provider: Literal["bind9", "none"] = Field(
        "bind9", description="bind9: an own server on one of the machines; none: someone else's server has the records"
    )
    host: str | None = Field(None, description="the machine that BIND runs on", examples=["dns"])
    forwarders: list[Address] = Field(
        default_factory=list,
        description="who is asked for all other names; empty: the resolvers that the machine had",
        examples=['["192.168.80.1"]'],
    )
    allow_queries_from: list[Network] = Field(
        default_factory=lambda: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"],
        description="networks that may ask, beside the machine's own",
        examples=['["192.168.80.0/24"]'],
    )
    validate_dnssec: bool = Field(
        True, description="false where the forwarders strip signatures, as in many closed networks", examples=["false"]
    )
    ttl: int = Field(300, ge=10, le=86400, description="how many seconds others may cache a record", examples=[300])
    records: dict[RecordName, Address] = Field(
        default_factory=dict, description="further names below the domain and their addresses"
    )


class PruneSettings(Section):
    """What the registry machine's engine, in which every pipeline builds, does not keep."""

    enabled: bool = Field(
        True, description="false keeps every image that was ever built or pulled there", examples=["true"]
    )
    schedule: Calendar = Field(
        "*-*-* 04:30:00", description="a systemd calendar expression", examples=["*-*-* 04:30:00"]
    )
    keep_days: int = Field(
        7,
        ge=1,
        le=3650,
        description="images that came there longer ago go, unless a container has them or the platform needs them",
        examples=[7],
    )
    keep_storage: Storage = Field("10GB", description="how much build cache stays", examples=["10GB"])


class DockerSettings(Section):
    """The Docker engines."""

    unprotected_tcp_2375: bool = Field(
        False,
        alias="unprotectedTcp2375",
        description="true also opens plain TCP 2375: anyone who can reach the registry machine becomes its root",
        examples=["false"],
    )
    registry_mirrors: list[HttpsUrl] = Field(
        default_factory=list,
        description="mirrors of docker.io for the engines; empty: the one under mirrors.images, if any",
        examples=['["https://mirror.corp:5000"]'],
    )
    prune: PruneSettings = Field(
        default_factory=lambda: PruneSettings.model_validate({}),
        description="what the registry machine's engine does not keep of pushes",
    )


class RegistryImages(Section):
    """The images of the registry host."""

    registry: Image = Field(
        "docker.io/library/registry:3.0.0", description="the registry", examples=["docker.io/library/registry:3.0.0"]
    )
    ui: Image = Field(
        "docker.io/joxit/docker-registry-ui:2.5.7",
        description="the registry's web page",
        examples=["docker.io/joxit/docker-registry-ui:2.5.7"],
    )
    nginx: Image = Field(
        "docker.io/library/nginx:1.28-alpine",
        description="TLS in front of both",
        examples=["docker.io/library/nginx:1.28-alpine"],
    )


class LoginSettings(Section):
    """Who may use the registry."""

    username: LoginName = Field(description="the login's name", examples=["ci"])
    password: SecretStr = Field(
        min_length=8, max_length=72, description="at least 8 characters (bcrypt reads 72), as a secret"
    )


class GarbageCollection(Section):
    """When the registry frees the space of what was deleted."""

    schedule: Calendar = Field(
        "*-*-* 03:30:00", description="a systemd calendar expression", examples=["*-*-* 03:30:00"]
    )
    delete_untagged: bool = Field(
        True, description="also remove manifests that no tag names any more", examples=["true"]
    )


class RegistrySettings(Section):
    """The registry, its page and nginx."""

    host: str = Field(
        description="the machine that the registry and the shared Docker engine run on", examples=["registry"]
    )
    images: RegistryImages = Field(
        default_factory=lambda: RegistryImages.model_validate({}), description="the images, with their upstream names"
    )
    login: LoginSettings | None = Field(None, description="none: everyone who reaches the registry may pull and push")
    ui_title: str = Field(
        "Docker Registry", min_length=1, max_length=80, description="the page's title", examples=["Docker Registry"]
    )
    allow_deletion: bool = Field(True, description="whether images can be deleted, by API and page", examples=["true"])
    garbage_collection: GarbageCollection = Field(
        default_factory=lambda: GarbageCollection.model_validate({}), description="when space is freed"
    )


class KubernetesImages(Section):
    """The images of the cluster's own services; kubeadm names those of the control plane itself."""

    traefik: Image = Field("docker.io/library/traefik:v3.7.15", description="ingress")
    default_backend: Image = Field("registry.k8s.io/defaultbackend-amd64:1.5", description="answers for unknown hosts")
    local_path_provisioner: Image = Field(
        "docker.io/rancher/local-path-provisioner:v0.0.30", description="volumes on the node's disk"
    )
    busybox: Image = Field("docker.io/library/busybox:1.35.0", description="makes a volume's directory")
    metrics_server: Image = Field("registry.k8s.io/metrics-server/metrics-server:v0.9.0", description="for kubectl top")


KubeadmKind = Literal[
    "InitConfiguration",
    "JoinConfiguration",
    "ClusterConfiguration",
    "KubeletConfiguration",
    "KubeProxyConfiguration",
]


class KubernetesSettings(Section):
    """The Kubernetes cluster."""

    host: str | None = Field(None, description="the machine of the control plane", examples=["k8s"])
    workers: list[str] = Field(default_factory=list, description="further machines that join", examples=['["worker"]'])
    version: Version = Field("1.36.3", description="the version of Kubernetes", examples=["1.36.3"])
    cni_version: Version = Field("1.9.1", description="the version of the CNI plugins", examples=["1.9.1"])
    pod_cidr: Network = Field("10.244.0.0/16", description="the pods' network", examples=["10.244.0.0/16"])
    service_cidr: Network = Field("10.96.0.0/12", description="the services' network", examples=["10.96.0.0/12"])
    ingress_ports: Literal["host", "redirect", "nodePort"] = Field(
        "host",
        description="how ports 80 and 443 of the node reach ingress: host, as ports of its pod; redirect, through node "
        "ports 30080 and 30443; nodePort, not at all: your own load balancer asks those",
    )
    images: KubernetesImages = Field(
        default_factory=lambda: KubernetesImages.model_validate({}), description="the images, with their upstream names"
    )
    kubeadm: dict[KubeadmKind, dict[str, Any]] = Field(
        default_factory=dict, description="by kind, what is laid over kubeadm's configuration"
    )
    containerd: dict[str, Any] = Field(default_factory=dict, description="further keys of containerd's CRI plugin")


class GitLabSettings(Section):
    """GitLab and its machine."""

    host: str | None = Field(None, description="the machine; none: no GitLab", examples=["gitlab"])
    image: GitLabImage = Field(
        "docker.io/gitlab/gitlab-ce:19.4.0-ce.0",
        description="the image, with the version in its tag",
        examples=["docker.io/gitlab/gitlab-ce:19.4.0-ce.0"],
    )
    ssh_port: Port = Field(
        22, description="the port of git by SSH; if it is the machine's own sshd's, that moves", examples=[22]
    )
    machine_ssh_port: Port | None = Field(
        None,
        description="where the machine's own sshd moves to; none: to 2222 where GitLab takes its port, else nowhere",
        examples=[2222],
    )
    registry_port: Port = Field(4567, description="the port of GitLab's own registry", examples=[4567])
    data_directory: MachineDirectory = Field(
        "/srv/gitlab", description="where all data are on the machine", examples=["/srv/gitlab"]
    )
    keep_data: bool = Field(
        False, description="true leaves the data on the machine when GitLab leaves the stack", examples=["true"]
    )
    memory: Literal["constrained", "standard", "large"] = Field(
        "standard",
        description="how large the machine is: constrained about 4 GB, standard 8 GB, large more, where GitLab chooses",
    )
    token_days: int = Field(
        180,
        ge=2,
        le=365,
        description="how many days the stack's own access token is good for; an up in its second half renews it",
        examples=[180],
    )
    lfs: bool = Field(True, description="whether repositories may have large files (Git LFS)", examples=["true"])
    kas: bool = Field(
        True, description="whether GitLab serves agents for Kubernetes (KAS), where it can", examples=["true"]
    )
    monitoring_networks: list[Network] = Field(
        default_factory=lambda: ["172.16.0.0/12"],
        description="who else sees GitLab's health; the Docker engine's own network on the machine has to be in it",
        examples=['["172.16.0.0/12"]'],
    )

    @property
    def version(self) -> tuple[int, int, int]:
        """The version of the image."""
        match = GITLAB_VERSION.search(self.image)
        assert match, self.image
        return int(match[1]), int(match[2]), int(match[3])


class CiImages(Section):
    """The images of the runner and its jobs, with their upstream names."""

    go: Image = Field("docker.io/library/golang:1.26-bookworm", description="tests and compiles Go; gets the CA")
    docker: Image = Field("docker.io/library/docker:28-cli", description="builds and pushes images; gets the CA")
    kubernetes: Image = Field("docker.io/alpine/k8s:1.36.3", description="kubectl and helm; gets the CA")
    auto_build: Image = Field(
        "registry.gitlab.com/gitlab-org/cluster-integration/auto-build-image:v4.8.0",
        description="Auto DevOps' build; gets the CA",
    )
    auto_deploy: Image = Field(
        "registry.gitlab.com/gitlab-org/cluster-integration/auto-deploy-image:v2.120.0",
        description="Auto DevOps' deployment; gets the CA",
    )
    runtime: Image = Field(
        "docker.io/library/debian:bookworm-slim", description="what the sample services' own images are based on"
    )
    runner: Image = Field("docker.io/gitlab/gitlab-runner:v19.4.0", description="the runner")
    agent: Image = Field(
        "registry.gitlab.com/gitlab-org/cluster-integration/gitlab-agent/agentk:v19.4.0",
        description="GitLab's agent, of GitLab's own version or one minor version from it",
    )
    helper: Image | None = Field(
        None,
        description="the runner's helper, which clones; none: that of the runner's version, from registry.gitlab.com",
    )


class CiSettings(Section):
    """The runner and the images that its jobs run in."""

    runner: Literal["docker", "kubernetes"] = Field(
        "docker",
        description="where jobs run: docker, in containers on GitLab's machine; kubernetes, in pods of the cluster",
    )
    runner_chart: Version = Field(
        "0.93.0",
        description="the version of GitLab's chart gitlab-runner, for a runner in the cluster",
        examples=["0.93.0"],
    )
    cluster_link: Literal["kubeconfig", "agent"] = Field(
        "kubeconfig",
        description="how pipelines reach the cluster: kubeconfig, by its API's address and a token in a CI variable; "
        "agent, through GitLab and an agent in the cluster, with no token of the cluster's in GitLab",
    )
    agent_chart: Version = Field(
        "2.32.0", description="the version of GitLab's chart gitlab-agent, for the agent", examples=["2.32.0"]
    )
    images: CiImages = Field(
        default_factory=lambda: CiImages.model_validate({}), description="the images, with their upstream names"
    )
    concurrent: int = Field(
        4, ge=1, le=100, description="how many jobs run at once; in the cluster, of each project", examples=[4]
    )
    go_proxy: GoProxy | None = Field(
        None,
        description="where jobs and image builds get Go modules from (GOPROXY); none: Go's own default",
        examples=["https://mirror.corp/go"],
    )


class ProjectSettings(Section):
    """A project in GitLab, whose pushes become `http://<group>-<name>.k8s.<domain>`."""

    group: Slug = Field(description="the group in GitLab; made with its first project", examples=["team"])
    name: Slug = Field(description="the project's name in its group", examples=["hello"])
    pipeline: Literal["auto", "custom"] = Field(
        description="auto: GitLab's Auto DevOps; custom: test, image, and helm upgrade of the repository's chart/",
        examples=["custom"],
    )
    source: LocalPath | None = Field(
        None,
        description="a directory whose files, but what its .gitignore names, become the first commit, where the "
        "repository is empty; never later",
        examples=["services/hello-custom"],
    )
    branch: Branch = Field(
        "main",
        description="the default branch, which is protected; not to be changed once the project is there",
        examples=["main"],
    )
    keep_repository: bool = Field(
        True,
        description="true refuses to delete the repository when the project is taken out of the settings; to delete "
        "it, set this to false, and `pulumi up`, before",
        examples=["false"],
    )
    variables: dict[VariableName, str] = Field(default_factory=dict, description="further CI variables")
    secrets: dict[VariableName, MaskedSecret] = Field(
        default_factory=dict, description="further CI variables that job logs hide, as secrets"
    )

    @property
    def path(self) -> str:
        """Where it is in GitLab."""
        return f"{self.group}/{self.name}"

    @property
    def slug(self) -> str:
        """What the namespace and the host are called; GitLab's CI_PROJECT_PATH_SLUG."""
        return f"{self.group}-{self.name}"


class MirrorSettings(Section):
    """Where downloads come from instead of upstream."""

    images: dict[ImageRegistry, ImageRegistry] = Field(
        default_factory=dict, description="an upstream registry and the host (and path) that serves its images"
    )
    kubernetes: HttpsUrl = Field(
        "https://dl.k8s.io",
        description="Kubernetes' binaries, in the layout of this default",
        examples=["https://mirror.corp/k8s"],
    )
    cni: HttpsUrl = Field(
        "https://github.com/containernetworking/plugins/releases/download",
        description="the CNI plugins, in the layout of this default",
        examples=["https://mirror.corp/cni"],
    )
    gitlab_charts: HttpsUrl = Field(
        GITLAB_CHARTS,
        description="GitLab's Helm charts: a chart repository, which the computer that runs `pulumi up` reaches",
        examples=["https://mirror.corp/gitlab-charts"],
    )
    ca_certificate_file: LocalPath | None = Field(
        None,
        description="PEM file: the CA that the mirrors' certificates come from, if not a public one",
        examples=["~/ca/corp.crt"],
    )

    @property
    def gitlab_charts_ca_file(self) -> Path | None:
        """What a mirror of GitLab's charts is checked against; upstream's certificate is a public one."""
        return None if self.gitlab_charts == GITLAB_CHARTS else self.ca_certificate_file

    def image(self, name: str) -> str:
        """`name` as it is pulled: through the mirror of its registry, if there is one."""
        registry, _, path = name.partition("/")
        return f"{self.images.get(registry, registry)}/{path}"


_GITLAB_REGISTRY = "registry.gitlab.com"
_HELPER = f"{_GITLAB_REGISTRY}/gitlab-org/gitlab-runner/gitlab-runner-helper:x86_64-v${{CI_RUNNER_VERSION}}"


class Settings(BaseModel):
    """All settings of a stack, valid together."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    domain: Domain
    repair: str
    ssh: SshSettings
    hosts: dict[str, HostSettings]
    ca: CaSettings
    dns: DnsSettings
    docker: DockerSettings
    registry: RegistrySettings
    gitlab: GitLabSettings
    kubernetes: KubernetesSettings
    ci: CiSettings
    projects: list[ProjectSettings]
    mirrors: MirrorSettings
    machines: dict[str, settings_checks.Machine]
    own_ca: settings_checks.OwnCa | None
    mirror_ca_certificate: str | None

    @property
    def helper_image(self) -> str | None:
        """The runner's helper as it is pulled, where the runner itself cannot know: it asks registry.gitlab.com."""
        if self.ci.images.helper:
            return self.mirrors.image(self.ci.images.helper)
        # The runner puts its version in.
        return self.mirrors.image(_HELPER) if _GITLAB_REGISTRY in self.mirrors.images else None

    @property
    def docker_hub_mirrors(self) -> list[str]:
        """The mirrors of docker.io that engines get (the engine's own option cannot name any other registry)."""
        if self.docker.registry_mirrors:
            return self.docker.registry_mirrors
        mirror = self.mirrors.images.get("docker.io", "")
        # The engine refuses a mirror URL with a path; images of the stack itself do not need this option.
        return [f"https://{mirror}"] if mirror and "/" not in mirror else []

    @property
    def images_of_pipelines(self) -> list[str]:
        """What jobs' images are made from and what their builds begin with, as it is pulled."""
        images = self.ci.images
        bases = (images.go, images.docker, images.kubernetes, images.auto_build, images.auto_deploy, images.runtime)
        return [self.mirrors.image(image) for image in bases]

    @property
    def kept_repositories(self) -> list[str]:
        """The projects that must not go with their entry in the settings, as the stack's output has them."""
        return sorted(project.path for project in self.projects if project.keep_repository)

    def records(self) -> dict[str, str]:
        """Every name below the domain that the platform needs, and its address."""
        records = {"docker": self.registry.host, "registry": self.registry.host}
        if self.gitlab.host:
            records["gitlab"] = self.gitlab.host
        if self.kubernetes.host:
            records |= {"k8s": self.kubernetes.host, "*.k8s": self.kubernetes.host}
        return {name: self.hosts[host].address for name, host in records.items()} | self.dns.records


SECTIONS: Mapping[str, type[Section]] = {
    "ssh": SshSettings,
    "ca": CaSettings,
    "dns": DnsSettings,
    "docker": DockerSettings,
    "registry": RegistrySettings,
    "gitlab": GitLabSettings,
    "kubernetes": KubernetesSettings,
    "ci": CiSettings,
    "mirrors": MirrorSettings,
}
KEPT_REPOSITORIES = "keptRepositories"
PROJECTS = "projects"
KEYS = ("domain", "repair", "hosts", "projects", *SECTIONS)
TEXTS = ("domain", "repair")
LISTS = ("projects",)


# Takes a section's errors, with the model and the path of the section, into the problems.
Wrong = Callable[[PydanticValidationError, type[Section], str], None]


class SettingsError(Exception):
    """The settings are wrong; `problems` has all of them."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = problems


def load() -> Settings:
    """The current stack's settings.

    Raises `pulumi.RunError` with a report of everything that is wrong. Must run before the first resource.
    """
    values = pulumi.runtime.get_config_env() | dict(pulumi.runtime.config.CONFIG.get())
    prefix = f"{NAMESPACE}:"
    own = {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}
    secret = {key for key in own if pulumi.runtime.is_config_secret(prefix + key)}
    try:
        outputs = _outputs()
        return parse(own, secret, outputs.get(KEPT_REPOSITORIES, []), _branches(outputs.get(PROJECTS, {})))
    except SettingsError as error:
        raise pulumi.RunError(report(error.problems, pulumi.get_stack())) from None


def _branches(projects: Mapping[str, Mapping[str, str]]) -> dict[str, str | None]:
    """The default branches by group/name, from the stack's output; one of an older program has none."""
    return {
        "/".join(found["url"].split("/")[-2:]): found.get("branch") for found in projects.values() if "url" in found
    }


def _outputs() -> dict[str, Any]:
    """The stack's outputs, as its last `up` left them."""
    # The engine's own function, which leaves nothing in the state, as a StackReference would.
    name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    limit = time.monotonic() + 10
    while True:
        try:
            answer = pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", {"name": name}).value or {}
        except Exception as error:
            # The engine notes at this very moment that the stack has begun. Where the state is a file, whoever reads it
            # meanwhile may find it empty.
            if "failed to load checkpoint" not in str(error) or time.monotonic() > limit:
                raise
            time.sleep(0.05)
        else:
            return dict(answer.get("outputs", {}))


def parse(
    config: Mapping[str, Any],
    secret_keys: set[str] | frozenset[str] = frozenset(),
    kept_repositories: Sequence[str] = (),
    branches: Mapping[str, str | None] | None = None,
) -> Settings:
    """Settings from the texts that Pulumi hands over (objects as JSON) or from values already decoded.

    `secret_keys` are the top-level keys that hold a secret somewhere, `kept_repositories` the projects (group/name)
    that the stack has and may not delete, `branches` all that it has, with their default branches where known. Raises
    `SettingsError` with all problems.
    """
    problems: list[Problem] = []
    values = _decode(config, problems)

    def wrong(error: PydanticValidationError, model: type[Section], prefix: str) -> None:
        has_secret = re.split(r"[.\[]", prefix)[0] in secret_keys
        problems.extend(problems_of(error, model, prefix, has_secret=has_secret))

    domain: str | None = None
    try:
        domain = TypeAdapter(Domain).validate_python(values.pop("domain", ""))
    except PydanticValidationError as error:
        details = error.errors()[0]
        secret = "domain" in secret_keys
        found = (shape if secret else shown)(details["input"]) if details["input"] else "nothing"
        context = details.get("ctx", {})
        fix = (not secret and context.get("fix")) or set_command("domain", "devops.example.com")
        problems.append(Problem("domain", found, str(context["expected"]), fix))
    repair = str(values.pop("repair", ""))
    hosts = _hosts(values.pop("hosts", {}), problems, wrong)
    named = values.pop("projects", [])
    projects = _projects(named, problems, wrong)
    if len(projects) == len(named):
        problems.extend(settings_checks.lost_repositories(kept_repositories, projects.values()))
    sections: dict[str, Section | None] = {}
    for name, model in SECTIONS.items():
        try:
            sections[name] = model.model_validate(values.pop(name, {}))
        except PydanticValidationError as error:
            wrong(error, model, name)
            sections[name] = None
    problems.extend(unknown_key(key, value, KEYS) for key, value in values.items())

    checked = settings_checks.check(
        config=config,
        domain=domain,
        hosts=hosts,
        sections=sections,
        projects=projects,
        branches=branches or {},
        secret_keys=secret_keys,
    )
    problems.extend(checked.problems)
    if problems:
        raise SettingsError(problems)
    return Settings.model_construct(
        domain=domain,
        repair=repair,
        hosts=hosts,
        projects=list(projects.values()),
        machines=checked.machines,
        own_ca=checked.own_ca,
        mirror_ca_certificate=checked.mirror_ca_certificate,
        **cast(Any, sections),
    )


def _decode(config: Mapping[str, Any], problems: list[Problem]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, str) and key in KEYS and key not in TEXTS:
            with contextlib.suppress(json.JSONDecodeError):  # a text where an object belongs: said below
                value = json.loads(value)
            kind = list if key in LISTS else dict
            if not isinstance(value, kind):
                expected = "a list" if kind is list else "an object with keys of its own"
                problems.append(Problem(key, shape(value), expected, f"see docs/settings.md, section {key}"))
                value = kind()
        values[key] = value
    return values


def _hosts(values: object, problems: list[Problem], wrong: Wrong) -> dict[str, HostSettings | None]:
    """Every machine named, with None for one whose own settings are wrong, so that references to it still resolve."""
    hosts: dict[str, HostSettings | None] = {}
    if not isinstance(values, dict) or not values:
        fix = set_command("hosts.registry.address", "192.168.80.112")
        problems.append(
            Problem("hosts", "nothing" if not values else shape(values), "at least one machine with its address", fix)
        )
        return hosts
    for name, value in values.items():
        if not LABEL.fullmatch(str(name)):
            expected = "a machine's name of lower-case letters, digits and hyphens"
            problems.append(
                Problem(
                    f"hosts.{name}",
                    shown(name),
                    expected,
                    f"rename the machine: {shown(name)} is also part of resource names",
                )
            )
        try:
            hosts[name] = HostSettings.model_validate(value)
        except PydanticValidationError as error:
            wrong(error, HostSettings, f"hosts.{name}")
            hosts[name] = None
    return hosts


def _projects(values: object, problems: list[Problem], wrong: Wrong) -> dict[int, ProjectSettings]:
    """Every project that is valid in itself, by its place in the list."""
    projects: dict[int, ProjectSettings] = {}
    if not isinstance(values, list):
        problems.append(Problem("projects", shape(values), "a list", "see docs/settings.md, section projects"))
        return projects
    for index, value in enumerate(values):
        try:
            projects[index] = ProjectSettings.model_validate(value)
        except PydanticValidationError as error:
            wrong(error, ProjectSettings, f"projects[{index}]")
    return projects
