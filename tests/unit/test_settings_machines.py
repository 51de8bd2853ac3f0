"""Wrong settings of machines and of how they are reached."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

import settings
from settings.machines import Jump
from tests.unit.program import encrypted
from tests.unit.settings_cases import Bad, Config, drop, problems, put, require_named, several

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
    "host key of RSA": (
        put("hosts.k8s.hostKey", f"ssh-rsa {'A' * 40}"),
        "hosts.k8s.hostKey",
        "ed25519 or ECDSA",
        "ssh-keyscan -t ed25519,ecdsa",
    ),
    "agent and a key in a file": (put("ssh.agent", True), "ssh.privateKeyFile", "nothing, as ssh.agent", "config rm"),
    "agent that is no truth": (put("ssh.agent", "maybe"), "ssh.agent", "valid boolean", "ssh.agent true"),
    "agent that is not there": (
        several(put("ssh.agent", True), drop("ssh.privateKeyFile")),
        "ssh.agent",
        "an SSH agent that has the key",
        "ssh-agent",
    ),
    "jump host without an address": (
        put("ssh.jump", {"user": "jane"}),
        "ssh.jump.address",
        "name or IP address",
        "ssh.jump.address bastion.example.com",
    ),
    "jump host with its user in the address": (
        put("ssh.jump", {"address": "jane@bastion"}),
        "ssh.jump.address",
        "without user and port",
        "ssh.jump.address",
    ),
    "jump host whose key is not pinned": (
        put("ssh.jump", {"address": "bastion.example.com", "port": 2200}),
        "ssh.jump.hostKey",
        "host key",
        "ssh-keyscan -p 2200 bastion.example.com >>",
    ),
    "jump host whose private key is missing": (
        put("hosts.k8s.jump", {"address": "192.168.80.112", "privateKeyFile": "/nonexistent"}),
        "hosts.k8s.jump.privateKeyFile",
        "SSH private key",
        "hosts.k8s.jump.privateKeyFile",
    ),
    "machine behind a jump host whose key is not pinned": (
        put("hosts.k8s", {"address": "192.168.80.97", "jump": {"address": "192.168.80.112", "user": "jane"}}),
        "hosts.k8s.hostKey",
        "host key",
        "ssh -p 22 jane@192.168.80.112 ssh-keyscan -p 22 192.168.80.97 >>",
    ),
    "jump host whose sshd moves": (
        put("hosts.k8s.jump", {"address": "192.168.80.113"}),
        "gitlab.sshPort",
        "another jump host",
        "gitlab.sshPort 2224",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_setting_is_named_with_its_fix(good: Config, kind: str) -> None:
    require_named(good, BAD[kind])


def public(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    """As a line of known_hosts has it."""
    openssh = (serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return key.public_key().public_bytes(*openssh).decode()


ED25519 = public(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)))
P256, P384 = (public(ec.derive_private_key(7, curve)) for curve in (ec.SECP256R1(), ec.SECP384R1()))


@pytest.fixture(scope="module")
def rsa_key() -> str:
    return public(rsa.generate_private_key(65537, 1024))


def known(good: Config, file: Path, *keys: str) -> None:
    """Every machine of the settings is known by these keys."""
    file.write_text("".join(f"{host['address']} {key}\n" for host in good["hosts"].values() for key in keys))
    put("ssh.knownHostsFile", str(file))(good)


@pytest.mark.parametrize("known_keys", [(P256, ED25519), (P384, P256), (P384,)], ids=["ed25519", "P-256", "P-384"])
def test_first_choice_of_the_known_keys_is_pinned(
    good: Config, tmp_path: Path, rsa_key: str, known_keys: tuple[str, ...]
) -> None:
    known(good, tmp_path / "known_hosts", rsa_key, *known_keys)
    assert {m.host_key for m in settings.parse(good).machines.values()} == {known_keys[-1]}


def test_rsa_alone_is_refused_with_the_way_to_another_key(good: Config, tmp_path: Path, rsa_key: str) -> None:
    known(good, tmp_path / "known_hosts", rsa_key)
    found = {p.key: p for p in problems(good)}
    assert found.keys() == {f"hosts.{name}.hostKey" for name in good["hosts"]}
    of_dns = found["hosts.dns.hostKey"]
    assert of_dns.found == f"only an RSA key of 192.168.80.110 in {tmp_path}/known_hosts"
    assert "ssh-keyscan -p 22 -t ed25519,ecdsa 192.168.80.110 >>" in of_dns.fix and "ssh-keygen -A" in of_dns.fix


def test_keys_of_an_agent_need_no_file(good: Config, agent: str) -> None:
    del good["ssh"]["privateKeyFile"]
    put("ssh.agent", True)(good)
    assert {m.private_key for m in settings.parse(good).machines.values()} == {None}
    subprocess.run(["ssh-add", "-q", "-D"], check=True)
    assert [(p.key, p.found, p.fix) for p in problems(good)] == [
        ("ssh.agent", f"true, and no key in the agent at {agent}", "ssh-add")
    ]


def test_an_agent_that_has_ended_is_told(good: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del good["ssh"]["privateKeyFile"]
    put("ssh.agent", True)(good)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "gone"))
    assert [(p.key, "no agent that answers" in p.found) for p in problems(good)] == [("ssh.agent", True)]


def test_a_machine_may_have_a_key_file_beside_the_agent(good: Config, agent: str, keys: Path) -> None:
    assert agent
    put("hosts.dns.privateKeyFile", good["ssh"].pop("privateKeyFile"))(good)
    put("ssh.agent", True)(good)
    machines = settings.parse(good).machines
    assert (machines["dns"].private_key, machines["k8s"].private_key) == ((keys / "id").read_text(), None)


def test_jump_host_has_what_ssh_has_unless_it_says_otherwise(good: Config, tmp_path: Path, keys: Path) -> None:
    put("ssh.user", "ops")(good)
    put("ssh.jump", {"address": "bastion.example.com"})(good)
    put("hosts.k8s.jump", {"address": "2001:db8::1", "user": "jane", "port": 2200, "hostKey": ED25519})(good)
    good["hosts"]["bastion"] = {"address": "bastion.example.com"}
    known(good, tmp_path / "known_hosts", P256)
    del good["hosts"]["bastion"]
    machines = settings.parse(good).machines
    private = (keys / "id").read_text()
    assert machines["dns"].jump == Jump("bastion.example.com", "ops", 22, private, None, P256)
    assert machines["k8s"].jump == Jump("2001:db8::1", "jane", 2200, private, None, ED25519)


def test_jump_host_that_is_one_of_the_machines_is_reached_directly(good: Config) -> None:
    put("ssh.jump", {"address": "192.168.80.110"})(good)
    machines = settings.parse(good).machines
    assert machines["dns"].jump is None
    assert {m.jump.address for m in machines.values() if m.jump} == {"192.168.80.110"}


def test_passphrase_of_a_jump_hosts_key_is_a_secret(good: Config, host_key: str, keys: Path) -> None:
    own = {"privateKeyFile": str(keys / "id"), "passphrase": "open sesame"}
    put("ssh.jump", {"address": "192.168.80.110", "hostKey": host_key, **own})(good)
    assert [p.key for p in problems(good)] == ["ssh.jump.passphrase", "ssh.jump.passphrase"]
    assert "open sesame" not in str(problems(good))


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
