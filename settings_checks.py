"""Rules between settings, and the files that settings name.

Owns what cannot be said of one key alone: references between machines and roles, what may not share a machine, where
secrets must be secret, and reading the SSH keys, pinned host keys and certificates. It never uses the network.
"""

from __future__ import annotations

import datetime
import ipaddress
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from components.source_files import SourceError, source_files
from settings_problems import Problem, rejected, remove_command, set_command, shape, shown

if TYPE_CHECKING:
    import settings

# Names that the platform itself needs below the domain, whether or not their component is in the stack yet.
RESERVED_RECORDS = ("docker", "registry", "gitlab", "k8s", "*.k8s", "ns", "*")

# Groups and projects that GitLab answers itself at these paths (its documentation: "Reserved project and group names"),
# as far as they could be ours; its first user's own; and the group whose images in the registry are the platform's.
RESERVED_GROUPS = frozenset(
    "admin api assets auto-devops dashboard explore files groups help import jwt login oauth org organizations profile "
    "projects public root s search sitemap snippets unsubscribes uploads user users v2".split()
)
RESERVED_PROJECTS = frozenset(
    "badges blame blob builds commits create edit files new preview raw refs tree update wikis".split()
)
# Helm's own (helm.sh/helm, chartutil.ValidateReleaseName). Auto DevOps' release is called by the environment.
RELEASE_LIMIT = 53
# The platform's own namespaces in the cluster.
RESERVED_NAMESPACES = frozenset({"auto-devops", "gitlab-runner"})
# What the agent of a project is called in its namespace; a pipeline calls its own release by the project's name.
AGENT_RELEASE = "gitlab-agent"

# Go's SSH client, which the command plugin is built on, offers the kinds of host key in this order whatever is pinned
# (golang.org/x/crypto/ssh, defaultHostKeyAlgos), and fails if the server then proves itself by another kind. So where
# several keys of a machine are known, the one that will really be used is pinned.
HOST_KEY_PREFERENCE = ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa", "ssh-ed25519")


# Where the sshd of GitLab's machine goes when GitLab takes its port.
MOVED_SSH_PORT = 2222


@dataclass(frozen=True)
class Machine:
    """What is needed to reach one machine: everything resolved, the key's text read. `host_key` is "type base64".

    Where sshd moves to `port`, `moves_from` is where it is at first; it stays there as well if `keeps_old_port`.
    """

    name: str
    address: str
    user: str
    port: int
    private_key: str = field(repr=False)
    passphrase: str | None = field(repr=False)
    host_key: str
    moves_from: int | None = None
    keeps_old_port: bool = False


@dataclass(frozen=True)
class OwnCa:
    """A root brought along. `certificate` is the issuing CA, `chain` those above it, root last; all PEM."""

    certificate: str
    chain: tuple[str, ...]
    key: str = field(repr=False)


@dataclass
class Checked:
    """What the checks found and read."""

    problems: list[Problem] = field(default_factory=list)
    machines: dict[str, Machine] = field(default_factory=dict)
    own_ca: OwnCa | None = None
    mirror_ca_certificate: str | None = None


def require_public_key(text: str) -> None:
    """Raises the validators' error where `text` is not a public key in OpenSSH's format."""
    try:
        serialization.load_ssh_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise rejected(
            "a whole public key; this one is cut or changed (copy it from /etc/ssh/ssh_host_ecdsa_key.pub)"
        ) from None


def check(
    *,
    config: Mapping[str, Any],
    domain: str | None,
    hosts: Mapping[str, settings.HostSettings | None],
    sections: Mapping[str, settings.Section | None],
    projects: Mapping[int, settings.ProjectSettings],
    branches: Mapping[str, str | None],
    secret_keys: set[str] | frozenset[str],
) -> Checked:
    """All checks that the valid parts allow; a section or machine that is None was reported already.

    `branches` are the projects (group/name) that the stack has, and their default branches where they are known.
    """
    checked = Checked()
    report = checked.problems.append
    # `sections` is keyed by name, so the type of each is known here and nowhere else.
    ssh = cast("settings.SshSettings | None", sections.get("ssh"))
    ca = cast("settings.CaSettings | None", sections.get("ca"))
    dns = cast("settings.DnsSettings | None", sections.get("dns"))
    registry = cast("settings.RegistrySettings | None", sections.get("registry"))
    mirrors = cast("settings.MirrorSettings | None", sections.get("mirrors"))
    gitlab = cast("settings.GitLabSettings | None", sections.get("gitlab"))
    kubernetes = cast("settings.KubernetesSettings | None", sections.get("kubernetes"))
    ci = cast("settings.CiSettings | None", sections.get("ci"))
    placements = {
        "registry": registry.host if registry else None,
        "gitlab": gitlab.host if gitlab else None,
        "kubernetes": kubernetes.host if kubernetes else None,
    }
    if kubernetes:
        _workers(kubernetes, hosts, placements, report)
        _kubeadm(kubernetes, report)
        if kubernetes.host:
            _networks(kubernetes, hosts, report)
        if ci and ci.runner == "kubernetes" and not kubernetes.host:
            expected = "docker, as there is no cluster; or a machine for one in kubernetes.host"
            report(Problem("ci.runner", shown(ci.runner), expected, set_command("ci.runner", "docker")))
    if ci and gitlab and ci.cluster_link == "agent":
        _agent(gitlab, projects, report)
    _references({"dns": dns.host if dns else None} | placements, hosts, report)
    _ports(placements, hosts, report)
    _addresses(hosts, report)
    if dns:
        _dns(dns, hosts, report)
    if ca:
        _lifetimes(ca, report)
        if ca.own:
            checked.own_ca = _own_ca(ca, report)
    if mirrors and mirrors.ca_certificate_file:
        checked.mirror_ca_certificate = _mirror_ca(mirrors.ca_certificate_file, report)
    _projects(projects, branches, placements, report)
    _secrets(ssh, ca, registry, hosts, projects, secret_keys, report)
    if ssh:
        checked.machines = _machines(ssh, hosts, gitlab, report)
        if gitlab and gitlab.host:
            host = hosts.get(gitlab.host)
            _gitlab_ports(gitlab, sshd_ports(gitlab, (host and host.port) or ssh.port)[0], report)
    return checked


def _references(roles: Mapping[str, str | None], hosts: Mapping[str, object], report: Any) -> None:
    if not hosts:
        return
    names = sorted(hosts)
    for role, host in roles.items():
        if host is not None and host not in hosts:
            report(
                Problem(
                    f"{role}.host",
                    shown(host),
                    "a machine under hosts: " + ", ".join(names),
                    set_command(f"{role}.host", names[0]),
                )
            )


def _workers(
    kubernetes: settings.KubernetesSettings,
    hosts: Mapping[str, object],
    placements: Mapping[str, str | None],
    report: Any,
) -> None:
    """See `_ports` for the control plane's machine."""
    names = sorted(hosts)
    roles = {host: role for role, host in placements.items()}
    for index, worker in enumerate(kubernetes.workers):
        key = f"kubernetes.workers[{index}]"
        if worker not in hosts:
            report(Problem(key, shown(worker), "a machine under hosts: " + ", ".join(names), remove_command(key)))
        elif worker == kubernetes.host or worker in kubernetes.workers[:index]:
            report(Problem(key, shown(worker), "a machine that is not a node already", remove_command(key)))
        elif role := roles.get(worker):
            # Ingress has ports 80 and 443 of every node, and Docker's firewall drops what goes from one pod to another.
            expected = (
                f"a machine without ports 80 and 443 and the Docker engine of another role; {role}.host is this one"
            )
            report(Problem(key, shown(worker), expected, remove_command(key)))
    if kubernetes.workers and not kubernetes.host:
        fix = set_command("kubernetes.host", names[0] if names else "NAME")
        report(Problem("kubernetes.host", "nothing", "the control plane's machine, as there are workers", fix))


# Of kubeadm's configuration, what the rest of the platform knows otherwise: the setting to use, or why there is none.
KUBEADM_SETTINGS = {
    "ClusterConfiguration.kubernetesVersion": "kubernetes.version",
    "ClusterConfiguration.networking.podSubnet": "kubernetes.podCidr",
    "ClusterConfiguration.networking.serviceSubnet": "kubernetes.serviceCidr",
    "ClusterConfiguration.controlPlaneEndpoint": "hosts.{host}.address",
    "KubeProxyConfiguration.clusterCIDR": "kubernetes.podCidr",
}
KUBEADM_CONSTANTS = {
    "ClusterConfiguration.certificatesDir": "certificates are renewed in kubeadm's own directory",
    "InitConfiguration.localAPIEndpoint.bindPort": "everyone is told that the API server has port 6443",
    "InitConfiguration.nodeRegistration.name": "a node has the name of its machine under hosts",
    "JoinConfiguration.nodeRegistration.name": "a node has the name of its machine under hosts",
}
KUBEADM_LISTS = (
    "InitConfiguration.nodeRegistration.ignorePreflightErrors",
    "JoinConfiguration.nodeRegistration.ignorePreflightErrors",
)


def _kubeadm(kubernetes: settings.KubernetesSettings, report: Any) -> None:
    """What would go wrong without a word, as kubeadm takes it and the rest of the platform does not."""

    def given(path: str) -> object:
        """The value at `path`, None if there is none; an object's place with something else in it is told."""
        value: object = kubernetes.kubeadm
        walked = "kubernetes.kubeadm"
        for part in path.split("."):
            if value is None:
                return None
            if not isinstance(value, Mapping):
                report(Problem(walked, shape(value), "an object with keys of its own", remove_command(walked)))
                return None
            value, walked = value.get(part), f"{walked}.{part}"
        return value

    for path, setting in KUBEADM_SETTINGS.items():
        key, value = f"kubernetes.kubeadm.{path}", given(path)
        if value is not None:
            named = setting.format(host=kubernetes.host or "NAME")
            fix = f"{remove_command(key)}; {set_command(named)}"
            report(Problem(key, shape(value), f"nothing: it is what {named} says", fix))
    for path, reason in KUBEADM_CONSTANTS.items():
        key, value = f"kubernetes.kubeadm.{path}", given(path)
        if value is not None:
            report(Problem(key, shape(value), f"nothing: {reason}", remove_command(key)))
    for path in KUBEADM_LISTS:
        key, value = f"kubernetes.kubeadm.{path}", given(path)
        if value is not None and not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
            fix = f"{remove_command(key)} && {set_command(f'{key}[0]', 'Swap')}"
            report(Problem(key, shape(value), "a list of the names of checks, such as [Swap]", fix))


def _networks(
    kubernetes: settings.KubernetesSettings, hosts: Mapping[str, settings.HostSettings | None], report: Any
) -> None:
    """An address of a pod or service may not be anyone else's: who has it could not be reached."""
    pods, services = ipaddress.ip_network(kubernetes.pod_cidr), ipaddress.ip_network(kubernetes.service_cidr)
    if pods.overlaps(services):
        key, expected = "kubernetes.serviceCidr", f"a network apart from kubernetes.podCidr, which is {pods}"
        report(Problem(key, shown(str(services)), expected, set_command(key, "NETWORK")))
    for key, network in {"kubernetes.podCidr": pods, "kubernetes.serviceCidr": services}.items():
        for name, host in hosts.items():
            if host and ipaddress.ip_address(host.address) in network:
                expected = f"a network without the machines' addresses; hosts.{name}.address is {host.address}"
                report(Problem(key, shown(str(network)), expected, set_command(key, "NETWORK")))


def _ports(roles: Mapping[str, str | None], hosts: Mapping[str, object], report: Any) -> None:
    taken: dict[str, str] = {}
    for role, host in roles.items():
        if host is None:
            continue
        if host in taken:
            free = next((name for name in hosts if name not in roles.values()), "ANOTHER-MACHINE")
            expected = f"a machine of its own: {taken[host]} already needs ports 80 and 443 of {host}"
            report(Problem(f"{role}.host", shown(host), expected, set_command(f"{role}.host", free)))
        taken.setdefault(host, role)


def _addresses(hosts: Mapping[str, settings.HostSettings | None], report: Any) -> None:
    first: dict[str, str] = {}
    for name, host in hosts.items():
        if host is None:
            continue
        if host.address in first:
            key = f"hosts.{name}.address"
            expected = f"an address of its own; hosts.{first[host.address]} has this one"
            report(
                Problem(
                    key,
                    shown(host.address),
                    expected,
                    f"{set_command(key, 'ADDRESS')}, or {remove_command(f'hosts.{name}')}",
                )
            )
        first.setdefault(host.address, name)


def _dns(dns: settings.DnsSettings, hosts: Mapping[str, settings.HostSettings | None], report: Any) -> None:
    if dns.provider == "bind9" and dns.host is None:
        names = ", ".join(sorted(hosts)) or "none yet"
        report(
            Problem(
                "dns.host",
                "nothing",
                f"the machine that BIND runs on: {names}",
                set_command("dns.host", next(iter(hosts), "NAME")),
            )
        )
    if dns.provider == "none" and dns.host is not None:
        report(
            Problem(
                "dns.host",
                shown(dns.host),
                "nothing: with dns.provider none, no machine runs BIND",
                remove_command("dns.host"),
            )
        )
    server = hosts.get(dns.host) if dns.host else None
    for index, forwarder in enumerate(dns.forwarders):
        if server and forwarder == server.address:
            expected = "another server: BIND would forward to itself"
            report(
                Problem(
                    f"dns.forwarders[{index}]", shown(forwarder), expected, remove_command(f"dns.forwarders[{index}]")
                )
            )
    for name in dns.records:
        if name in RESERVED_RECORDS:
            expected = "a name that the platform does not use itself (" + ", ".join(RESERVED_RECORDS) + ")"
            report(
                Problem(
                    f"dns.records.{name}", shown(dns.records[name]), expected, remove_command(f"dns.records.{name}")
                )
            )


def _projects(
    projects: Mapping[int, settings.ProjectSettings],
    branches: Mapping[str, str | None],
    placements: Mapping[str, str | None],
    report: Any,
) -> None:
    if projects:
        for role, what in {"gitlab": "GitLab's machine", "kubernetes": "the cluster's machine"}.items():
            if placements.get(role) is None:
                report(
                    Problem(f"{role}.host", "nothing", f"{what}, as there are projects", set_command(f"{role}.host"))
                )
    first: dict[str, int] = {}
    for index, project in projects.items():
        key = f"projects[{index}]"
        if project.group in RESERVED_GROUPS:
            expected = "a group that neither GitLab nor the platform uses itself"
            report(Problem(f"{key}.group", shown(project.group), expected, set_command(f"{key}.group", "team")))
        if project.name in RESERVED_PROJECTS:
            expected = "a name that GitLab does not use itself"
            report(Problem(f"{key}.name", shown(project.name), expected, set_command(f"{key}.name", "hello")))
        if len(project.slug) > 63:
            expected = "at most 62 characters together with the group: both are one label in DNS"
            report(Problem(f"{key}.name", shown(project.name), expected, set_command(f"{key}.name", "SHORTER")))
        if project.pipeline == "custom" and len(project.name) > RELEASE_LIMIT:
            expected = f"at most {RELEASE_LIMIT} characters: it is what Helm calls the release"
            report(Problem(f"{key}.name", shown(project.name), expected, set_command(f"{key}.name", "SHORTER")))
        if project.slug.startswith("kube-") or project.slug in RESERVED_NAMESPACES:
            expected = f"another group or name: the namespace {project.slug} is the cluster's own"
            report(Problem(f"{key}.name", shown(project.name), expected, set_command(f"{key}.name", "hello")))
        if project.slug in first:
            expected = f"another group or name: projects[{first[project.slug]}] is {project.slug} already"
            report(Problem(f"{key}.name", shown(project.name), expected, remove_command(key)))
        first.setdefault(project.slug, index)
        for name in sorted(project.variables.keys() & project.secrets.keys()):
            expected = f"one value: {key}.secrets has {name} too"
            report(Problem(f"{key}.variables.{name}", shown(name), expected, remove_command(f"{key}.variables.{name}")))
        # It is read once. A project that the stack has has had its first commit, and the directory may be gone.
        if project.source and project.path not in branches:
            _source(project.source, f"{key}.source", report)
        branch = branches.get(project.path) or project.branch
        if project.branch != branch:
            expected = f"{branch}, the default branch of {project.path}: nothing would protect it any more"
            report(Problem(f"{key}.branch", shown(project.branch), expected, set_command(f"{key}.branch", branch)))


def lost_repositories(kept: Iterable[str], projects: Iterable[settings.ProjectSettings]) -> list[Problem]:
    """Projects (group/name) that the stack has and was told to keep, but that are gone from the settings."""
    there = {project.path for project in projects}
    return [
        Problem(
            "projects",
            f"no {path} any more, which is in GitLab; its repository would be deleted",
            f"{path}, as its keepRepository is true",
            "put it back into the settings; to delete it, set its keepRepository to false there, pulumi up, remove it",
        )
        for path in kept
        if path not in there
    ]


def _agent(gitlab: settings.GitLabSettings, projects: Mapping[int, settings.ProjectSettings], report: Any) -> None:
    """What GitLab's agents need."""
    if not gitlab.kas:
        expected = "true, as ci.clusterLink is agent: agents connect to GitLab's KAS"
        fix = f"{set_command('gitlab.kas', 'true')}, or {set_command('ci.clusterLink', 'kubeconfig')}"
        report(Problem("gitlab.kas", "false", expected, fix))
    for index, project in projects.items():
        if project.name == AGENT_RELEASE:
            key = f"projects[{index}].name"
            expected = "another name: its release in the namespace would be the one of GitLab's agent"
            report(Problem(key, shown(project.name), expected, set_command(key, "hello")))


def _source(path: Path, key: str, report: Any) -> None:
    """A directory that can become a first commit, whose pipeline GitLab would find."""
    pipeline = path / ".gitlab-ci.yml"
    try:
        there = pipeline in source_files(path)
    except SourceError as error:
        fix = f"{error.fix}; or git push it yourself, and {remove_command(key)}"
        report(Problem(key, error.found, error.expected, fix if error.fix else set_command(key, "DIRECTORY")))
        there = pipeline.is_file() or not path.is_dir()
    if not there:
        expected = "a directory with a .gitlab-ci.yml; services/ has examples"
        report(Problem(key, f"{path}, in which there is none", expected, set_command(key, "services/hello-custom")))


def sshd_ports(gitlab: settings.GitLabSettings, port: int) -> tuple[int, int | None]:
    """Where the sshd of GitLab's machine ends up, and where it comes from if it moves; `port` is where it is now."""
    wanted = gitlab.machine_ssh_port or (MOVED_SSH_PORT if gitlab.ssh_port == port else port)
    return wanted, (port if wanted != port else None)


def _gitlab_ports(gitlab: settings.GitLabSettings, sshd: int, report: Any) -> None:
    """Everything on GitLab's machine that listens has a port of its own."""
    taken = {80: "GitLab's site", 443: "GitLab's site", 2376: "the Docker engine"}
    for key, port, what, free in (
        ("gitlab.sshPort", gitlab.ssh_port, "git by SSH", 2224),
        ("gitlab.registryPort", gitlab.registry_port, "GitLab's registry", 4567),
        ("gitlab.machineSshPort", sshd, "the machine's own sshd", MOVED_SSH_PORT),
    ):
        if port in taken:
            while free in taken:
                free += 1
            expected = f"another port: {port} is {taken[port]}'s"
            report(Problem(key, str(port), expected, set_command(key, str(free))))
        taken.setdefault(port, what)


def _lifetimes(ca: settings.CaSettings, report: Any) -> None:
    if ca.renew_before_days >= ca.certificate_days:
        expected = (
            f"fewer than ca.certificateDays ({ca.certificate_days}): else every `pulumi up` renews every certificate"
        )
        fix = set_command("ca.renewBeforeDays", str(ca.certificate_days // 3))
        report(Problem("ca.renewBeforeDays", str(ca.renew_before_days), expected, fix))
    if not ca.own and ca.certificate_days > ca.root_days:
        expected = f"at most ca.rootDays ({ca.root_days}): no certificate may outlive its root"
        report(
            Problem(
                "ca.certificateDays",
                str(ca.certificate_days),
                expected,
                set_command("ca.certificateDays", str(ca.root_days)),
            )
        )


def _secrets(
    ssh: settings.SshSettings | None,
    ca: settings.CaSettings | None,
    registry: settings.RegistrySettings | None,
    hosts: Mapping[str, settings.HostSettings | None],
    projects: Mapping[int, settings.ProjectSettings],
    secret_keys: set[str] | frozenset[str],
    report: Any,
) -> None:
    present = {
        "ssh.passphrase": bool(ssh and ssh.passphrase),
        "ca.own.passphrase": bool(ca and ca.own and ca.own.passphrase),
        "registry.login.password": bool(registry and registry.login),
    } | {f"hosts.{name}.passphrase": bool(host and host.passphrase) for name, host in hosts.items()}
    present |= {f"projects[{i}].secrets.{name}": True for i, project in projects.items() for name in project.secrets}
    for key, there in present.items():
        # Pulumi marks the whole top-level key as secret when anything inside it is.
        if there and key.partition(".")[0].partition("[")[0] not in secret_keys:
            report(Problem(key, "plain text", "an encrypted secret", set_command(key, secret=True)))


def _machines(
    ssh: settings.SshSettings,
    hosts: Mapping[str, settings.HostSettings | None],
    gitlab: settings.GitLabSettings | None,
    report: Any,
) -> dict[str, Machine]:
    machines: dict[str, Machine] = {}
    keys: dict[tuple[Path, str | None], str | None] = {}
    for name, host in hosts.items():
        if host is None:
            continue
        own = host.private_key_file is not None
        path = host.private_key_file or ssh.private_key_file
        secret = host.passphrase or (None if own else ssh.passphrase)
        passphrase = secret.get_secret_value() if secret else None
        if (path, passphrase) not in keys:
            prefix = f"hosts.{name}" if own else "ssh"
            keys[path, passphrase] = _private_key(path, passphrase, prefix, report)
        port, moves_from, keeps = host.port or ssh.port, None, False
        of_gitlab = gitlab is not None and gitlab.host == name
        host_key = host.host_key or _pinned(name, host.address, port, ssh.known_hosts_file, of_gitlab, report)
        if gitlab and of_gitlab:
            port, moves_from = sshd_ports(gitlab, port)
            keeps = moves_from is not None and gitlab.ssh_port != moves_from
        key = keys[path, passphrase]
        if key and host_key:
            machines[name] = Machine(
                name, host.address, host.user or ssh.user, port, key, passphrase, host_key, moves_from, keeps
            )
    return machines


def _read(path: Path, key: str, what: str, fix: str, report: Any) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        report(Problem(key, f"{path}, which does not exist", what, fix))
    except UnicodeDecodeError:
        report(Problem(key, f"{path}, which is not a text file", what, f"convert it to PEM, then {fix}"))
    except OSError as error:
        report(Problem(key, f"{path}, which cannot be read: {error.strerror}", what, f"ls -l {path}; {fix}"))
    return None


def _private_key(path: Path, passphrase: str | None, prefix: str, report: Any) -> str | None:
    key = f"{prefix}.privateKeyFile"
    text = _read(
        path, key, "an SSH private key", f"ssh-keygen -t ed25519 -f {path}, or {set_command(key, 'FILE')}", report
    )
    if text is None:
        return None
    password = passphrase.encode() if passphrase else None
    load = serialization.load_ssh_private_key if "OPENSSH PRIVATE KEY" in text else serialization.load_pem_private_key
    try:
        load(text.encode(), password)
    except TypeError:
        if passphrase:
            report(
                Problem(
                    f"{prefix}.passphrase",
                    "[hidden]",
                    f"nothing: {path} has no passphrase",
                    remove_command(f"{prefix}.passphrase"),
                )
            )
        else:
            report(
                Problem(
                    f"{prefix}.passphrase",
                    "nothing",
                    f"the passphrase of {path}",
                    set_command(f"{prefix}.passphrase", secret=True),
                )
            )
    except (ValueError, UnsupportedAlgorithm):
        if passphrase:
            report(
                Problem(
                    f"{prefix}.passphrase",
                    "[hidden]",
                    f"the passphrase of {path}",
                    set_command(f"{prefix}.passphrase", secret=True),
                )
            )
        else:
            expected = "an SSH private key in OpenSSH's or PEM format"
            report(
                Problem(
                    key,
                    f"{path}, which is none or needs a passphrase",
                    expected,
                    f"ssh-keygen -y -f {path}; {set_command(key, 'FILE')}",
                )
            )
    else:
        return text
    return None


def _pinned(name: str, address: str, port: int, known_hosts: Path, may_have_moved: bool, report: Any) -> str | None:
    """The machine's key from known_hosts.

    A machine whose sshd has moved is often known by its first port only; it has the same keys on every port.
    """
    key = f"hosts.{name}.hostKey"
    scan = (
        f"ssh-keyscan -p {port} {address} >> {known_hosts}, and compare with /etc/ssh/ssh_host_*_key.pub on the machine"
    )
    expected = f"the machine's host key, here or in ssh.knownHostsFile ({known_hosts})"
    if not known_hosts.is_file():
        report(Problem(key, f"nothing, and {known_hosts} does not exist", expected, scan))
        return None
    wanted = address if port == 22 else f"[{address}]:{port}"
    for entry in dict.fromkeys((wanted, address) if may_have_moved else (wanted,)):
        found = _known_keys(entry, known_hosts)
        for kind in HOST_KEY_PREFERENCE:
            if kind in found:
                return found[kind]
    report(Problem(key, f"nothing, and no entry for {wanted} in {known_hosts}", expected, scan))
    return None


def _known_keys(entry: str, known_hosts: Path) -> dict[str, str]:
    """The keys that known_hosts has under `entry`, by kind. `ssh-keygen -F` looks them up: entries may be hashed."""
    result = subprocess.run(
        ["ssh-keygen", "-F", entry, "-f", str(known_hosts)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    lines = [line.split() for line in result.stdout.splitlines() if not line.startswith(("#", "@"))]
    return {parts[1]: " ".join(parts[1:3]) for parts in lines if len(parts) >= 3}


def _certificates(path: Path, key: str, report: Any) -> list[x509.Certificate]:
    text = _read(path, key, "a PEM certificate", set_command(key, "FILE"), report)
    if text is None:
        return []
    try:
        return x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        report(
            Problem(
                key,
                f"{path}, in which there is no PEM certificate",
                "-----BEGIN CERTIFICATE----- ...",
                set_command(key, "FILE"),
            )
        )
        return []


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _expired(certificate: x509.Certificate, path: Path, key: str, report: Any) -> None:
    now, end = datetime.datetime.now(datetime.UTC), certificate.not_valid_after_utc
    if end <= now:
        report(
            Problem(
                key,
                f"{path}, which expired on {end:%Y-%m-%d}",
                "a certificate that is still valid",
                set_command(key, "FILE"),
            )
        )
    elif certificate.not_valid_before_utc > now:
        start = certificate.not_valid_before_utc
        report(
            Problem(
                key,
                f"{path}, which is valid only from {start:%Y-%m-%d %H:%M} UTC",
                "a certificate that is valid now",
                "check this computer's clock: date -u",
            )
        )


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _own_ca(ca: settings.CaSettings, report: Any) -> OwnCa | None:
    assert ca.own is not None
    certificate_key, key_key = "ca.own.certificateFile", "ca.own.keyFile"
    path = ca.own.certificate_file
    certificates = _certificates(path, certificate_key, report)
    for certificate in certificates:
        _expired(certificate, path, certificate_key, report)
        if not _is_ca(certificate):
            subject = certificate.subject.rfc4514_string()
            report(
                Problem(
                    certificate_key,
                    f"{path}: {subject}, which is not a CA",
                    "a certificate with basicConstraints CA:TRUE",
                    set_command(certificate_key, "FILE"),
                )
            )
    text = _read(ca.own.key_file, key_key, "the CA's private key in PEM", set_command(key_key, "FILE"), report)
    if text is None or not certificates:
        return None
    end = certificates[0].not_valid_after_utc
    left = (end - datetime.datetime.now(datetime.UTC)).days
    if 0 <= left < ca.certificate_days:
        expected = f"at most {left}: the own CA ends on {end:%Y-%m-%d}"
        report(
            Problem(
                "ca.certificateDays", str(ca.certificate_days), expected, set_command("ca.certificateDays", str(left))
            )
        )
    passphrase = ca.own.passphrase.get_secret_value().encode() if ca.own.passphrase else None
    secret_fix = set_command("ca.own.passphrase", secret=True)
    try:
        private = serialization.load_pem_private_key(text.encode(), passphrase)
    except TypeError:
        if passphrase:
            report(
                Problem(
                    "ca.own.passphrase",
                    "[hidden]",
                    "nothing: the key has no passphrase",
                    remove_command("ca.own.passphrase"),
                )
            )
        else:
            report(Problem("ca.own.passphrase", "nothing", f"the passphrase of {ca.own.key_file}", secret_fix))
        return None
    except (ValueError, UnsupportedAlgorithm):
        if passphrase:
            report(Problem("ca.own.passphrase", "[hidden]", f"the passphrase of {ca.own.key_file}", secret_fix))
        else:
            report(
                Problem(
                    key_key,
                    f"{ca.own.key_file}, which is no PEM private key",
                    "-----BEGIN PRIVATE KEY----- ...",
                    set_command(key_key, "FILE"),
                )
            )
        return None
    public = serialization.PublicFormat.SubjectPublicKeyInfo
    der = serialization.Encoding.DER
    if private.public_key().public_bytes(der, public) != certificates[0].public_key().public_bytes(der, public):
        report(
            Problem(
                key_key,
                f"{ca.own.key_file}, which is another certificate's key",
                f"the key of {path}",
                set_command(key_key, "FILE"),
            )
        )
        return None
    # The tls provider takes no passphrase, so the key is handed on without one; it stays a secret of the stack.
    plain = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return OwnCa(_pem(certificates[0]), tuple(_pem(c) for c in certificates[1:]), plain.decode())


def _mirror_ca(path: Path, report: Any) -> str | None:
    key = "mirrors.caCertificateFile"
    certificates = _certificates(path, key, report)
    for certificate in certificates:
        _expired(certificate, path, key, report)
    return "".join(_pem(c) for c in certificates) or None
