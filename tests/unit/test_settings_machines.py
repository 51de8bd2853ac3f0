"""Wrong settings of machines and of how they are reached."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

import settings
from tests.unit.conftest import encrypted
from tests.unit.settings_cases import Bad, Config, drop, problems, put, require_named

# What is done to good settings; the key that must be named; words of what is expected; words of the fix.
BAD: dict[str, Bad] = {
    "no hosts": (put("hosts", {}), "hosts", "at least one machine", "hosts.registry.address"),
    "hosts of the wrong type": (put("hosts", "192.168.80.112"), "hosts", "an object", "docs/settings.md"),
    "a host's name with a space": (
        put("hosts.my host", {"address": "192.168.80.9"}),
        "hosts.my host",
        "lower-case",
        "rename",
    ),
    "adopting a system's directory": (put("hosts.k8s.adopt", ["/etc"]), "hosts.k8s.adopt[0]", "two levels", "adopt"),
    "ignoring something with a colon": (
        put("hosts.k8s.ignore", ["k8s: memory"]),
        "hosts.k8s.ignore[0]",
        "the name of a finding",
        "ignore",
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
    "host key of no kind": (put("hosts.k8s.hostKey", "SHA256:abc"), "hosts.k8s.hostKey", "base64", "hosts.k8s.hostKey"),
    "host key cut short": (
        put("hosts.k8s.hostKey", "ssh-ed25519 AAAAC3Nz"),
        "hosts.k8s.hostKey",
        "whole",
        "hosts.k8s.hostKey",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_setting_is_named_with_its_fix(good: Config, kind: str) -> None:
    require_named(good, BAD[kind])


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
    encryption = encrypted(b"right")
    private = ed25519.Ed25519PrivateKey.generate()
    file.write_bytes(private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, encryption))
    put("ssh.privateKeyFile", str(file))(good)
    assert [(p.key, p.found) for p in problems(good)] == [("ssh.passphrase", "nothing")]
    put("ssh.passphrase", "wrong")(good)
    assert [p.key for p in problems(good, {"ssh"})] == ["ssh.passphrase"]
    put("ssh.passphrase", "right")(good)
    assert settings.parse(good, {"ssh"}).machines["dns"].passphrase == "right"


def test_a_line_break_in_a_machines_name_is_refused(good: Config) -> None:
    good["hosts"]["more\n"] = {"address": "192.168.80.9"}
    assert "hosts.more\n" in [p.key for p in problems(good)]


def test_host_key_with_one_changed_byte_is_a_problem_like_another(good: Config, host_key: str) -> None:
    kind, key = host_key.split()[:2]
    # Where the point begins, with which OpenSSH says that it is whole.
    changed = base64.b64decode(key).replace(b"\0\0\0\x41\x04", b"\0\0\0\x41\x02")
    put("hosts.dns.hostKey", f"{kind} {base64.b64encode(changed).decode()}")(good)
    assert [(p.key, "cut or changed" in p.expected) for p in problems(good)] == [("hosts.dns.hostKey", True)]
