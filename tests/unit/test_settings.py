"""Every kind of wrong setting ends before the first resource: its key, what was found, what is right, and the fix."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

import settings
from settings.problems import Problem, report
from tests.unit.conftest import Run

Config = dict[str, Any]
Spoil = Callable[[Config], None]


def problems(config: Config, secret_keys: set[str] | None = None) -> list[Problem]:
    """What `parse` says is wrong; fails where nothing is."""
    with pytest.raises(settings.SettingsError) as caught:
        settings.parse(config, secret_keys or set())
    return caught.value.problems


def put(path: str, value: object) -> Spoil:
    """Sets a nested key."""

    def spoil(config: Config) -> None:
        *parents, last = path.split(".")
        for parent in parents:
            config = config.setdefault(parent, {})
        config[last] = value

    return spoil


def drop(path: str) -> Spoil:
    """Removes a nested key."""

    def spoil(config: Config) -> None:
        *parents, last = path.split(".")
        for parent in parents:
            config = config[parent]
        del config[last]

    return spoil


# What is done to good settings; the key that must be named; words of what is expected; words of the fix.
BAD: dict[str, tuple[Spoil, str, str, str]] = {
    "domain missing": (drop("domain"), "domain", "own DNS domain", "config set auto-devops:domain"),
    "domain with one label": (
        put("domain", "devops"),
        "domain",
        "at least two labels",
        "config set auto-devops:domain",
    ),
    "domain in capitals": (put("domain", "Example.COM"), "domain", "lower-case", "auto-devops:domain example.com"),
    "domain with a bad label": (put("domain", "-a.example.com"), "domain", "DNS domain", "auto-devops:domain"),
    "domain with a final dot": (put("domain", "example.com."), "domain", "without the final dot", "domain example.com"),
    "domain that leaves no room for services' names": (
        put("domain", ".".join(["a" * 60] * 3) + ".abc"),
        "domain",
        "DNS domain",
        "auto-devops:domain",
    ),
    "domain of multicast DNS": (put("domain", "devops.local"), "domain", "outside .local", "auto-devops:domain"),
    "domain that is an address": (put("domain", "192.168.80.1"), "domain", "DNS domain", "auto-devops:domain"),
    "no hosts": (put("hosts", {}), "hosts", "at least one machine", "hosts.registry.address"),
    "hosts of the wrong type": (put("hosts", "192.168.80.112"), "hosts", "an object", "docs/settings.md"),
    "a host's name with a space": (
        put("hosts.my host", {"address": "192.168.80.9"}),
        "hosts.my host",
        "lower-case",
        "rename",
    ),
    "address missing": (
        drop("hosts.k8s.address"),
        "hosts.k8s.address",
        "IP address",
        "--path auto-devops:hosts.k8s.address",
    ),
    "address that is a name": (
        put("hosts.k8s.address", "k8s.lan"),
        "hosts.k8s.address",
        "IPv4 or IPv6",
        "hosts.k8s.address",
    ),
    "address of the loopback": (
        put("hosts.k8s.address", "127.0.0.1"),
        "hosts.k8s.address",
        "other machines",
        "hosts.k8s.address",
    ),
    "address of the wrong type": (put("hosts.k8s.address", 5), "hosts.k8s.address", "a text", "hosts.k8s.address"),
    "address used twice": (
        put("hosts.k8s.address", "192.168.80.112"),
        "hosts.k8s.address",
        "hosts.registry has this",
        "config rm",
    ),
    "port out of range": (put("ssh.port", 70000), "ssh.port", "65535", "auto-devops:ssh.port 22"),
    "port that is no number": (put("hosts.dns.port", "ssh"), "hosts.dns.port", "integer", "hosts.dns.port 22"),
    "user that cannot be": (put("ssh.user", "Root User"), "ssh.user", "pattern", "ssh.user ubuntu"),
    "unknown key with a near name": (
        put("registri", {}),
        "registri",
        "did you mean registry",
        "config rm auto-devops:registri",
    ),
    "unknown key without one": (put("zzz", {}), "zzz", "one of ca, ci, dns", "config rm auto-devops:zzz"),
    "unknown nested key": (
        put("hosts.dns.adress", "x"),
        "hosts.dns.adress",
        "did you mean hosts.dns.address",
        "config rm",
    ),
    "unknown deeper key": (
        put("registry.images.ngin", "x"),
        "registry.images.ngin",
        "registry.images.nginx",
        "config rm",
    ),
    "private key missing": (
        put("ssh.privateKeyFile", "/nonexistent"),
        "ssh.privateKeyFile",
        "SSH private key",
        "ssh-keygen",
    ),
    "private key unreadable": (put("ssh.privateKeyFile", "/"), "ssh.privateKeyFile", "SSH private key", "ls -l /"),
    "private key that is none": (
        put("ssh.privateKeyFile", __file__),
        "ssh.privateKeyFile",
        "OpenSSH's or PEM",
        "ssh-keygen -y",
    ),
    "a host's own private key missing": (
        put("hosts.dns.privateKeyFile", "/nonexistent"),
        "hosts.dns.privateKeyFile",
        "SSH private key",
        "hosts.dns.privateKeyFile",
    ),
    "known_hosts missing": (
        put("ssh.knownHostsFile", "/nonexistent"),
        "hosts.dns.hostKey",
        "host key",
        "ssh-keyscan -p 22",
    ),
    "host key not pinned": (
        put("hosts.k8s.address", "192.168.80.97"),
        "hosts.k8s.hostKey",
        "host key",
        "192.168.80.97 >>",
    ),
    "host key not pinned for the port": (
        put("hosts.k8s.port", 2222),
        "hosts.k8s.hostKey",
        "host key",
        "ssh-keyscan -p 2222",
    ),
    "GitLab's image without a version": (
        put("gitlab.image", "docker.io/gitlab/gitlab-ce:latest"),
        "gitlab.image",
        "a tag with GitLab's version, such as 19.4.0-ce.0",
        "gitlab.image docker.io/gitlab/gitlab-ce:",
    ),
    "GitLab's data in a system's directory": (
        put("gitlab.dataDirectory", "/etc/gitlab"),
        "gitlab.dataDirectory",
        "not one of the system's",
        "gitlab.dataDirectory /srv/gitlab",
    ),
    "GitLab's data in a disk's root": (
        put("gitlab.dataDirectory", "/srv"),
        "gitlab.dataDirectory",
        "two levels deep",
        "gitlab.dataDirectory",
    ),
    "GitLab's data above its directory": (
        put("gitlab.dataDirectory", "/srv/a/../../etc"),
        "gitlab.dataDirectory",
        "two levels deep",
        "gitlab.dataDirectory",
    ),
    "GitLab's memory of no size": (put("gitlab.memory", "small"), "gitlab.memory", "constrained", "gitlab.memory"),
    "GitLab's token for longer than it allows": (
        put("gitlab.tokenDays", 400),
        "gitlab.tokenDays",
        "365",
        "gitlab.tokenDays 180",
    ),
    "GitLab's SSH on the site's port": (
        put("gitlab.sshPort", 443),
        "gitlab.sshPort",
        "443 is GitLab's site's",
        "gitlab.sshPort 2224",
    ),
    "GitLab's registry on the engine's port": (
        put("gitlab.registryPort", 2376),
        "gitlab.registryPort",
        "2376 is the Docker engine's",
        "gitlab.registryPort 4567",
    ),
    "GitLab's SSH where sshd goes": (
        put("gitlab", {"host": "gitlab", "sshPort": 2222, "machineSshPort": 2222}),
        "gitlab.machineSshPort",
        "2222 is git by SSH's",
        "gitlab.machineSshPort 2223",
    ),
    "GitLab's SSH where sshd has been all along": (
        put("hosts.gitlab.port", 80),
        "gitlab.machineSshPort",
        "80 is GitLab's site's",
        "gitlab.machineSshPort 2222",
    ),
    "host key of no kind": (put("hosts.k8s.hostKey", "SHA256:abc"), "hosts.k8s.hostKey", "base64", "hosts.k8s.hostKey"),
    "host key cut short": (
        put("hosts.k8s.hostKey", "ssh-ed25519 AAAAC3Nz"),
        "hosts.k8s.hostKey",
        "whole",
        "hosts.k8s.hostKey",
    ),
    "algorithm unknown": (put("ca.algorithm", "DSA"), "ca.algorithm", "'ECDSA' or 'RSA'", "ca.algorithm ECDSA"),
    "curve unknown": (put("ca.curve", "P257"), "ca.curve", "'P256'", "ca.curve P256"),
    "RSA too short": (put("ca.rsaBits", 1024), "ca.rsaBits", "2048", "ca.rsaBits"),
    "certificates too long": (put("ca.certificateDays", 1000), "ca.certificateDays", "825", "ca.certificateDays 365"),
    "certificates outlive the root": (
        put("ca.rootDays", 60),
        "ca.certificateDays",
        "ca.rootDays (60)",
        "ca.certificateDays 60",
    ),
    "renewed always": (
        put("ca.renewBeforeDays", 365),
        "ca.renewBeforeDays",
        "every certificate",
        "renewBeforeDays 121",
    ),
    "own CA without its key": (
        put("ca.own", {"certificateFile": "/x"}),
        "ca.own.keyFile",
        "private key",
        "ca.own.keyFile",
    ),
    "own CA missing": (
        put("ca.own", {"certificateFile": "/nonexistent", "keyFile": "/nonexistent"}),
        "ca.own.certificateFile",
        "PEM certificate",
        "ca.own.certificateFile",
    ),
    "own CA that is none": (
        put("ca.own", {"certificateFile": __file__, "keyFile": __file__}),
        "ca.own.certificateFile",
        "BEGIN CERTIFICATE",
        "ca.own.certificateFile",
    ),
    "runner unknown": (put("ci.runner", "podman"), "ci.runner", "'docker'", "ci.runner docker"),
    "chart with a v": (put("ci.runnerChart", "v1"), "ci.runnerChart", "a whole version without v", "0.93.0"),
    "charts without TLS": (
        put("mirrors.gitlabCharts", "http://mirror.corp"),
        "mirrors.gitlabCharts",
        "https://",
        "mirrors.gitlabCharts",
    ),
    "DNS provider unknown": (put("dns.provider", "bind"), "dns.provider", "'bind9'", "dns.provider bind9"),
    "DNS host missing": (drop("dns.host"), "dns.host", "the machine that BIND runs on", "dns.host dns"),
    "DNS host without BIND": (
        put("dns.provider", "none"),
        "dns.host",
        "nothing",
        "config rm --path auto-devops:dns.host",
    ),
    "DNS host unknown": (put("dns.host", "ns1"), "dns.host", "dns, gitlab, k8s, registry", "dns.host dns"),
    "forwarder that is a name": (
        put("dns.forwarders", ["dns.google"]),
        "dns.forwarders.0",
        "IPv4 or IPv6",
        "dns.forwarders",
    ),
    "forwarder that is BIND itself": (
        put("dns.forwarders", ["192.168.80.110"]),
        "dns.forwarders[0]",
        "itself",
        "config rm",
    ),
    "network with host bits": (
        put("dns.allowQueriesFrom", ["10.0.0.1/8"]),
        "dns.allowQueriesFrom.0",
        "network",
        "allowQueriesFrom",
    ),
    "TTL of nothing": (put("dns.ttl", 0), "dns.ttl", "10", "dns.ttl 300"),
    "a record of the platform's": (
        put("dns.records", {"gitlab": "10.0.0.1"}),
        "dns.records.gitlab",
        "does not use itself",
        "rm",
    ),
    "a record's address that is none": (
        put("dns.records", {"wiki": "there"}),
        "dns.records.wiki",
        "IPv4",
        "dns.records.wiki",
    ),
    "mirror of the engine without TLS": (
        put("docker.registryMirrors", ["http://mirror"]),
        "docker.registryMirrors.0",
        "https://",
        "docker.registryMirrors",
    ),
    "plain TCP by an unclear word": (
        put("docker.unprotectedTcp2375", "maybe"),
        "docker.unprotectedTcp2375",
        "boolean",
        "false",
    ),
    "registry's host missing": (put("registry", {}), "registry.host", "the machine", "registry.host registry"),
    "registry's host unknown": (
        put("registry.host", "vm9"),
        "registry.host",
        "a machine under hosts",
        "registry.host dns",
    ),
    "image without a registry": (
        put("registry.images.nginx", "nginx:1"),
        "registry.images.nginx",
        "its registry",
        "docker.io/",
    ),
    "image without a tag": (
        put("registry.images.ui", "docker.io/a/b"),
        "registry.images.ui",
        "tag or digest",
        "images.ui docker.io/",
    ),
    "login without a password": (
        put("registry.login", {"username": "ci"}),
        "registry.login.password",
        "8 char",
        "--secret",
    ),
    "login's password too short": (
        put("registry.login", {"username": "ci", "password": "short"}),
        "registry.login.password",
        "8",
        "--secret",
    ),
    "login's name with a colon": (
        put("registry.login", {"username": "a:b", "password": "long enough"}),
        "registry.login.username",
        "pattern",
        "username ci",
    ),
    "password in plain text": (
        put("registry.login", {"username": "ci", "password": "long enough"}),
        "registry.login.password",
        "an encrypted secret",
        "config set --secret --path auto-devops:registry.login.password",
    ),
    "build cache without a unit": (
        put("docker.prune.keepStorage", "10"),
        "docker.prune.keepStorage",
        "10GB",
        "docker.prune.keepStorage 10GB",
    ),
    "no image is kept": (put("docker.prune.keepDays", 0), "docker.prune.keepDays", "greater", "keepDays 7"),
    "schedule that is none": (
        put("registry.garbageCollection.schedule", "daily; rm"),
        "registry.garbageCollection.schedule",
        "systemd calendar",
        "garbageCollection.schedule",
    ),
    "two roles that need port 443": (put("gitlab.host", "registry"), "gitlab.host", "ports 80 and 443", "gitlab.host"),
    "a cluster on the machine of another role": (
        put("kubernetes.host", "gitlab"),
        "kubernetes.host",
        "ports 80 and 443",
        "kubernetes.host dns",
    ),
    "a worker on the registry's machine": (
        put("kubernetes.workers", ["dns", "registry"]),
        "kubernetes.workers[1]",
        "Docker engine of another role; registry.host",
        "config rm --path 'auto-devops:kubernetes.workers[1]'",
    ),
    "a worker on GitLab's machine": (
        put("kubernetes.workers", ["gitlab"]),
        "kubernetes.workers[0]",
        "ports 80 and 443",
        "config rm",
    ),
    "a worker that is no machine": (
        put("kubernetes.workers", ["vm9"]),
        "kubernetes.workers[0]",
        "a machine under hosts: dns, gitlab, k8s, registry",
        "config rm --path 'auto-devops:kubernetes.workers[0]'",
    ),
    "a worker that is the control plane": (
        put("kubernetes.workers", ["k8s"]),
        "kubernetes.workers[0]",
        "not a node already",
        "config rm",
    ),
    "a worker twice": (
        put("kubernetes.workers", ["dns", "dns"]),
        "kubernetes.workers[1]",
        "not a node already",
        "config rm",
    ),
    "workers without a control plane": (
        put("kubernetes", {"workers": ["dns"]}),
        "kubernetes.host",
        "control plane's machine",
        "kubernetes.host dns",
    ),
    "pods' network by kubeadm's own key": (
        put("kubernetes.kubeadm.ClusterConfiguration.networking.podSubnet", "10.0.0.0/16"),
        "kubernetes.kubeadm.ClusterConfiguration.networking.podSubnet",
        "kubernetes.podCidr",
        "config set --path auto-devops:kubernetes.podCidr",
    ),
    "services' network by kubeadm's own key": (
        put("kubernetes.kubeadm.ClusterConfiguration.networking.serviceSubnet", "10.0.0.0/16"),
        "kubernetes.kubeadm.ClusterConfiguration.networking.serviceSubnet",
        "kubernetes.serviceCidr",
        "kubernetes.serviceCidr",
    ),
    "pods' network of kube-proxy": (
        put("kubernetes.kubeadm.KubeProxyConfiguration.clusterCIDR", "10.0.0.0/16"),
        "kubernetes.kubeadm.KubeProxyConfiguration.clusterCIDR",
        "kubernetes.podCidr",
        "kubernetes.podCidr",
    ),
    "version by kubeadm's own key": (
        put("kubernetes.kubeadm.ClusterConfiguration.kubernetesVersion", "v1.30.0"),
        "kubernetes.kubeadm.ClusterConfiguration.kubernetesVersion",
        "kubernetes.version",
        "kubernetes.version",
    ),
    "address by kubeadm's own key": (
        put("kubernetes.kubeadm.ClusterConfiguration.controlPlaneEndpoint", "k8s:6443"),
        "kubernetes.kubeadm.ClusterConfiguration.controlPlaneEndpoint",
        "hosts.k8s.address",
        "hosts.k8s.address",
    ),
    "another port of the API server": (
        put("kubernetes.kubeadm.InitConfiguration.localAPIEndpoint.bindPort", 443),
        "kubernetes.kubeadm.InitConfiguration.localAPIEndpoint.bindPort",
        "6443",
        "config rm",
    ),
    "another name of the node": (
        put("kubernetes.kubeadm.JoinConfiguration.nodeRegistration.name", "one"),
        "kubernetes.kubeadm.JoinConfiguration.nodeRegistration.name",
        "name of its machine",
        "config rm",
    ),
    "another directory of certificates": (
        put("kubernetes.kubeadm.ClusterConfiguration.certificatesDir", "/srv/pki"),
        "kubernetes.kubeadm.ClusterConfiguration.certificatesDir",
        "own directory",
        "config rm",
    ),
    "checks of kubeadm that are no list": (
        put("kubernetes.kubeadm.InitConfiguration.nodeRegistration.ignorePreflightErrors", "Swap"),
        "kubernetes.kubeadm.InitConfiguration.nodeRegistration.ignorePreflightErrors",
        "a list",
        "ignorePreflightErrors[0]' Swap",
    ),
    "checks of kubeadm that are no names": (
        put("kubernetes.kubeadm.JoinConfiguration.nodeRegistration.ignorePreflightErrors", [3]),
        "kubernetes.kubeadm.JoinConfiguration.nodeRegistration.ignorePreflightErrors",
        "a list",
        "ignorePreflightErrors[0]' Swap",
    ),
    "a part of kubeadm's configuration that is no object": (
        put("kubernetes.kubeadm.InitConfiguration.nodeRegistration", "k8s"),
        "kubernetes.kubeadm.InitConfiguration.nodeRegistration",
        "an object",
        "config rm",
    ),
    "services and pods on one network": (
        put("kubernetes.serviceCidr", "10.244.128.0/20"),
        "kubernetes.serviceCidr",
        "apart from kubernetes.podCidr, which is 10.244.0.0/16",
        "kubernetes.serviceCidr",
    ),
    "pods on the machines' network": (
        put("kubernetes.podCidr", "192.168.0.0/16"),
        "kubernetes.podCidr",
        "hosts.k8s.address is 192.168.80.96",
        "kubernetes.podCidr",
    ),
    "services on the machines' network": (
        put("kubernetes.serviceCidr", "192.168.80.0/24"),
        "kubernetes.serviceCidr",
        "hosts.dns.address is 192.168.80.110",
        "kubernetes.serviceCidr",
    ),
    "GitLab's host unknown": (put("gitlab.host", "vm9"), "gitlab.host", "a machine under hosts", "gitlab.host dns"),
    "mirror with a scheme": (
        put("mirrors.images", {"docker.io": "https://m"}),
        "mirrors.images.docker.io",
        "without scheme",
        "mirrors",
    ),
    "mirror's CA missing": (
        put("mirrors.caCertificateFile", "/none"),
        "mirrors.caCertificateFile",
        "PEM",
        "caCertificateFile",
    ),
}


def test_workers_and_kubeadms_configuration_are_accepted(good: Config) -> None:
    """What has no other role, and no setting of its own."""
    put("kubernetes.workers", ["dns"])(good)
    for kind in ("InitConfiguration", "JoinConfiguration"):
        put(f"kubernetes.kubeadm.{kind}.nodeRegistration.ignorePreflightErrors", ["Swap"])(good)
    put("kubernetes.kubeadm.ClusterConfiguration.networking.dnsDomain", "c.local")(good)
    put("kubernetes.podCidr", "fd00:1::/56")(good)
    assert settings.parse(good).kubernetes.workers == ["dns"]


def test_good_settings_are_accepted(good: Config) -> None:
    parsed = settings.parse(good)
    assert parsed.machines["gitlab"].user == "ops"
    assert parsed.machines["dns"].user == "root"
    assert parsed.records() == {
        "docker": "192.168.80.112",
        "registry": "192.168.80.112",
        "gitlab": "192.168.80.113",
        "k8s": "192.168.80.96",
        "*.k8s": "192.168.80.96",
    }


@pytest.mark.parametrize("kind", BAD)
def test_bad_setting_is_named_with_its_fix(good: Config, kind: str) -> None:
    spoil, key, expected, fix = BAD[kind]
    spoil(good)
    named = [p for p in problems(good) if p.key == key]
    assert named, f"no problem of {key} in {problems(good)}"
    assert any(expected in p.expected and fix in p.fix for p in named), named


# Each is right but for the line break.
LINES: dict[str, object] = {
    "domain": "devops.example.com\n",
    "ssh.user": "ops\n",
    "hosts.dns.address": "192.168.80.110\n",
    "dns.records": {"wiki\n": "192.168.80.9"},
    "dns.allowQueriesFrom": ["10.0.0.0/8\n"],
    "docker.prune.schedule": "daily\n",
    "docker.prune.keepStorage": "10GB\n",
    "docker.registryMirrors": ["https://mirror.corp\n"],
    "registry.login": {"username": "ci\n", "password": "long enough"},
    "registry.images.nginx": "docker.io/library/nginx:1\n",
    "gitlab.image": "docker.io/gitlab/gitlab-ce:19.4.0-ce.0\n",
    "gitlab.dataDirectory": "/srv/gitlab\n",
    "kubernetes.version": "1.36.3\n",
    "mirrors.images": {"docker.io": "mirror.corp\n"},
    "mirrors.kubernetes": "https://mirror.corp/k8s\n",
    "ci.goProxy": "direct\n",
    "projects.group": {"group": "team\n", "name": "hello", "pipeline": "auto"},
    "projects.name": {"group": "team", "name": "hello\n", "pipeline": "auto"},
    "projects.branch": {"group": "team", "name": "hello", "pipeline": "auto", "branch": "main\n"},
    "projects.variables": {"group": "team", "name": "hello", "pipeline": "auto", "variables": {"A\n": "b"}},
    "projects.secrets": {"group": "team", "name": "hello", "pipeline": "auto", "secrets": {"A": "long-enough\n"}},
}


@pytest.mark.parametrize("key", LINES)
def test_a_line_break_at_the_end_is_refused(good: Config, key: str) -> None:
    if key.startswith("projects."):
        good["projects"] = [LINES[key]]
        key = key.replace("projects", "projects[0]")
    else:
        put(key, LINES[key])(good)
    found = [p.key for p in problems(good, {"registry", "projects"})]
    assert [each for each in found if each.startswith(key)], found


def test_a_line_break_in_a_machines_name_is_refused(good: Config) -> None:
    good["hosts"]["more\n"] = {"address": "192.168.80.9"}
    assert "hosts.more\n" in [p.key for p in problems(good)]


def test_all_problems_come_at_once(good: Config) -> None:
    """A wrong section hides neither the wrong host, nor the unknown key, nor the rule between two settings."""
    for kind in (
        "domain in capitals",
        "algorithm unknown",
        "address missing",
        "DNS host unknown",
        "unknown key without one",
    ):
        BAD[kind][0](good)
    assert {p.key for p in problems(good)} == {"domain", "ca.algorithm", "hosts.k8s.address", "dns.host", "zzz"}


def test_report_names_stack_and_every_part() -> None:
    text = report([Problem("domain", "nothing", "a domain", "do this")], "dev")
    assert text == (
        "1 setting of stack 'dev' is wrong; nothing was changed.\n\n"
        "  auto-devops:domain\n    found:    nothing\n    expected: a domain\n    fix:      do this"
    )


def test_password_is_never_shown(good: Config) -> None:
    put("registry.login", {"username": "ci", "password": "hunter2"})(good)
    assert "hunter2" not in report(problems(good), "dev")
    put("registry.login", {"username": "ci", "passwort": "hunter2"})(good)
    assert "hunter2" not in report(problems(good), "dev")


SECRET = "correct-horse-battery"
LEAKS: dict[str, Spoil] = {
    "a mistyped password": put("registry.login", {"username": "ci", "pasword": SECRET}),
    "a mistyped object with a password": put("registry.lgin", {"username": "ci", "password": SECRET}),
    "a name that says nothing": put("registry.zzz", SECRET),
    "a top-level key that says nothing": put("zzz", {"token": [SECRET]}),
    "a text where an object belongs": put("registry.login", SECRET),
    "a whole section of the wrong type": put("registry", f'{{"login": {{"password": "{SECRET}"'),
    "a list where an object belongs": put("registry.login", ["ci", SECRET]),
    "an object where a text belongs": put("registry.uiTitle", {"password": SECRET}),
    "a login in a mirror's URL": put("mirrors.kubernetes", f"https://ci:{SECRET}@mirror.corp:port"),
    "a login in Go's proxy": put("ci.goProxy", f"https://ci:{SECRET}@mirror.corp/go direct"),
    "a CI variable": put("projects", [{"group": "a", "name": "b", "pipeline": "auto", "variables": {"A B": SECRET}}]),
    "a value in a list": put("dns.forwarders", [SECRET]),
    "a machine that is a text": put("hosts.dns", SECRET),
    "a network": put("kubernetes.podCidr", {"password": SECRET}),
}


@pytest.mark.parametrize("kind", LEAKS)
def test_what_may_be_a_secret_is_never_shown(good: Config, kind: str) -> None:
    LEAKS[kind](good)
    text = report(problems(good, {"registry", "projects", "dns", "hosts"}), "dev")
    assert SECRET not in text


@pytest.mark.parametrize("path", ["registry.uiTitle", "hosts.dns.address", "domain", "kubernetes.podCidr", "dns.ttl"])
def test_no_value_of_a_section_with_a_secret_is_shown(good: Config, path: str) -> None:
    """Pulumi does not tell which value of it is the encrypted one."""
    put(path, SECRET * 5)(good)
    assert SECRET in report(problems(good), "dev")
    assert SECRET not in report(problems(good, {path.partition(".")[0]}), "dev")


def test_keys_and_kinds_are_shown_instead(good: Config) -> None:
    put("registry.lgin", {"username": "ci", "tries": [3, True, None]})(good)
    assert problems(good)[0].found == ("an unknown key: {username: a text, tries: [a number, a truth value, nothing]}")


def test_a_mistyped_password_is_renamed_unseen(good: Config) -> None:
    put("registry.login", {"username": "ci", "pasword": SECRET})(good)
    assert problems(good)[1].fix == (
        "rename it: pulumi config get --path auto-devops:registry.login.pasword"
        " | pulumi config set --secret --path auto-devops:registry.login.password"
        " && pulumi config rm --path auto-devops:registry.login.pasword"
    )


def test_password_is_accepted_as_a_secret(good: Config) -> None:
    put("registry.login", {"username": "ci", "password": "long enough"})(good)
    parsed = settings.parse(good, {"registry"})
    assert parsed.registry.login is not None
    assert "long enough" not in repr(parsed)


def test_bad_settings_end_before_any_resource(run_afresh: Run, good: Config) -> None:
    put("domain", "devops")(good)
    with pytest.raises(pulumi.RunError, match=r"(?s)1 setting of stack 'test' is wrong.*auto-devops:domain"):
        run_afresh(good)


def test_plain_port_is_warned_about_at_every_run(
    run_afresh: Run, good: Config, caplog: pytest.LogCaptureFixture
) -> None:
    put("docker.unprotectedTcp2375", True)(good)
    run_afresh(good)
    assert any("whoever reaches 192.168.80.112:2375 is root there" in r.message for r in caplog.records)


def test_texts_as_pulumi_hands_them_over_are_read(good: Config) -> None:
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in good.items()}
    assert settings.parse(texts).registry.host == "registry"


def test_host_key_that_go_will_negotiate_is_pinned(good: Config, tmp_path: Path) -> None:
    """Of several known keys, the one that Go's SSH client negotiates first: settings.machines.HOST_KEY_PREFERENCE."""
    openssh = (serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    ed = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(*openssh).decode()
    ecdsa = ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(*openssh).decode()
    known = tmp_path / "known_hosts"
    known.write_text("".join(f"{h['address']} {key}\n" for h in good["hosts"].values() for key in (ed, ecdsa)))
    put("ssh.knownHostsFile", str(known))(good)
    assert {m.host_key for m in settings.parse(good).machines.values()} == {ecdsa}


def test_passphrase_of_the_private_key(good: Config, tmp_path: Path) -> None:
    file = tmp_path / "id"
    encryption = serialization.BestAvailableEncryption(b"right")
    private = ed25519.Ed25519PrivateKey.generate()
    file.write_bytes(private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, encryption))
    put("ssh.privateKeyFile", str(file))(good)
    assert [(p.key, p.found) for p in problems(good)] == [("ssh.passphrase", "nothing")]
    put("ssh.passphrase", "wrong")(good)
    assert [p.key for p in problems(good, {"ssh"})] == ["ssh.passphrase"]
    put("ssh.passphrase", "right")(good)
    assert settings.parse(good, {"ssh"}).machines["dns"].passphrase == "right"


Certify = Callable[..., tuple[Path, Path]]


@pytest.fixture
def certify(tmp_path: Path) -> Certify:
    """Makes a CA of one's own: certificate and key file."""

    def make(
        *, days: int = 3650, ca: bool = True, passphrase: bytes | None = None, name: str = "own"
    ) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
        certificate = (
            x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(end - datetime.timedelta(days=4000))
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        paths = tmp_path / f"{name}.crt", tmp_path / f"{name}.key"
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        paths[1].write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        )
        return paths

    return make


def own(config: Config, certificate: Path, key: Path, passphrase: str | None = None) -> None:
    config["ca"] = {"own": {"certificateFile": str(certificate), "keyFile": str(key)}}
    if passphrase is not None:
        config["ca"]["own"]["passphrase"] = passphrase


def test_own_ca_is_read(good: Config, certify: Certify) -> None:
    certificate, key = certify()
    own(good, certificate, key)
    parsed = settings.parse(good)
    assert parsed.own_ca is not None
    assert parsed.own_ca.certificate == certificate.read_text()
    assert parsed.own_ca.key == key.read_text()


def test_own_ca_with_a_passphrase_is_read(good: Config, certify: Certify) -> None:
    own(good, *certify(passphrase=b"right"), "right")
    parsed = settings.parse(good, {"ca"})
    assert parsed.own_ca is not None
    assert "ENCRYPTED" not in parsed.own_ca.key


@pytest.mark.parametrize(
    ("arguments", "passphrase", "key", "words"),
    [
        ({"days": -1}, None, "ca.own.certificateFile", "still valid"),
        ({"days": 100}, None, "ca.certificateDays", "at most 99"),
        ({"days": 5000}, None, "ca.own.certificateFile", "valid now"),
        ({"ca": False}, None, "ca.own.certificateFile", "CA:TRUE"),
        ({"passphrase": b"right"}, None, "ca.own.passphrase", "the passphrase of"),
        ({"passphrase": b"right"}, "wrong", "ca.own.passphrase", "the passphrase of"),
        ({}, "needless", "ca.own.passphrase", "no passphrase"),
    ],
)
def test_bad_own_ca(
    good: Config, certify: Certify, arguments: dict[str, Any], passphrase: str | None, key: str, words: str
) -> None:
    own(good, *certify(**arguments), passphrase)
    found = problems(good, {"ca"})
    assert any(p.key == key and words in p.expected for p in found), found


def test_own_ca_with_anothers_key(good: Config, certify: Certify) -> None:
    certificate, _ = certify()
    _, other = certify(name="other")
    own(good, certificate, other)
    assert [(p.key, "another certificate's key" in p.found) for p in problems(good)] == [("ca.own.keyFile", True)]


def test_expired_mirror_ca(good: Config, certify: Certify) -> None:
    put("mirrors.caCertificateFile", str(certify(days=-1)[0]))(good)
    assert [(p.key, p.expected) for p in problems(good)] == [
        ("mirrors.caCertificateFile", "a certificate that is still valid")
    ]


def test_images_go_through_their_registrys_mirror(good: Config) -> None:
    put("mirrors.images", {"docker.io": "mirror.corp:5000/hub"})(good)
    mirrors = settings.parse(good).mirrors
    assert mirrors.image("docker.io/library/nginx:1.28-alpine") == "mirror.corp:5000/hub/library/nginx:1.28-alpine"
    assert mirrors.image("ghcr.io/a/b:1") == "ghcr.io/a/b:1"


def test_the_runners_helper_goes_by_the_mirror_too(good: Config) -> None:
    assert settings.parse(good).helper_image is None  # the runner knows it
    put("mirrors.images", {"registry.gitlab.com": "mirror.corp:5000"})(good)
    path = "gitlab-org/gitlab-runner/gitlab-runner-helper"
    assert settings.parse(good).helper_image == f"mirror.corp:5000/{path}:x86_64-v${{CI_RUNNER_VERSION}}"
    put("ci.images.helper", "registry.gitlab.com/own/helper:1")(good)
    assert settings.parse(good).helper_image == "mirror.corp:5000/own/helper:1"


def test_engines_get_the_mirror_of_docker_io(good: Config) -> None:
    put("mirrors.images", {"docker.io": "mirror.corp:5000"})(good)
    assert settings.parse(good).docker_hub_mirrors == ["https://mirror.corp:5000"]
    put("docker.registryMirrors", ["https://other.corp"])(good)
    assert settings.parse(good).docker_hub_mirrors == ["https://other.corp"]
    put("docker.registryMirrors", [])(good)
    put("mirrors.images", {"docker.io": "mirror.corp:5000/hub"})(good)
    assert settings.parse(good).docker_hub_mirrors == []
