"""Every message about wrong settings, word for word.

Other tests say what a message must have in it; this one shows what changed of its text, and that a move inside the
program changed nothing. What differs from run to run is replaced: directories by their names, the day by a fixed one.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import time_machine
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from syrupy.assertion import SnapshotAssertion

import settings
from settings.problems import report
from tests.unit import test_settings, test_settings_projects
from tests.unit.program import ROOT, TODAY, Certify, encrypted
from tests.unit.settings_cases import HELLO, Bad, Config, Spoil, drop, own, put, several


def _bad_line(key: str) -> Spoil:
    value = test_settings.LINES[key]
    return put("projects", [value]) if key.startswith("projects.") else put(key, value)


# Of projects and of own CAs the cases are of another kind, and this file has none.
_OTHERS = {"test_settings_projects", "test_settings_messages", "test_settings_own_ca"}
_CONCERNS = sorted({path.stem for path in Path(__file__).parent.glob("test_settings*.py")} - _OTHERS)
# What the tests of the concerns spoil; those of a new one are found by their file's name.
BAD: dict[str, Bad] = {
    kind: bad for name in _CONCERNS for kind, bad in importlib.import_module(f"tests.unit.{name}").BAD.items()
}
# What is done to good settings.
CASES: dict[str, Spoil] = {
    **{kind: spoil for kind, (spoil, *_) in BAD.items()},
    **{f"project: {kind}": put("projects", bad[0]) for kind, bad in test_settings_projects.BAD.items()},
    **{f"line break: {key}": _bad_line(key) for key in test_settings.LINES},
    **{f"secret: {kind}": spoil for kind, spoil in test_settings.LEAKS.items()},
    "line break: machine": put("hosts.more\n", {"address": "192.168.80.9"}),
    "several sections at once": several(
        *(BAD[kind][0] for kind in ("domain in capitals", "algorithm unknown", "address missing", "DNS host unknown")),
        put("zzz", {}),
    ),
    "everything of a wrong type": several(
        *(
            put(key, 3)
            for key in ("domain", "repair", "hosts", "ssh", "ca", "dns", "docker", "registry", "gitlab", "kubernetes")
        ),
        put("ci", []),
        put("mirrors", "x"),
    ),
    "nothing at all": several(*map(drop, ("domain", "ssh", "hosts", "dns", "registry", "gitlab", "kubernetes"))),
    "hosts that are a list": put("hosts", []),
    "hosts that are a list in JSON": put("hosts", "[1]"),
    "a machine that is nothing": put("hosts.dns", None),
    "a domain that is a list": put("domain", ["example.com"]),
    "a domain that is empty": put("domain", ""),
    "login with a mistyped password": put("registry.login", {"username": "ci", "passwort": "hunter2"}),
    "login with keys of several kinds": put("registry.lgin", {"username": "ci", "tries": [3, True, None]}),
    "projects that are an object": put("projects", '{"hello": {}}'),
    "projects without GitLab and a cluster": several(put("projects", [HELLO]), drop("gitlab"), drop("kubernetes")),
    "a runner in a cluster that is not there": several(put("ci.runner", "kubernetes"), drop("kubernetes")),
    "a secret with a space": put("projects", [HELLO | {"secrets": {"KEY": "two words"}}]),
    "a mistyped object of secrets": put("projects", [HELLO | {"secretes": {"KEY": "correct horse"}}]),
    "Go's proxy without a scheme": put("ci.goProxy", "mirror.corp/go"),
    "Go's proxy with a space": put("ci.goProxy", "https://mirror.corp/go direct"),
    "Go's proxy that is empty": put("ci.goProxy", ""),
    "agents without KAS": several(put("ci.clusterLink", "agent"), put("gitlab.kas", False)),
    "an agent's release as a project": several(
        put("ci.clusterLink", "agent"), put("projects", [HELLO | {"name": "gitlab-agent"}])
    ),
    "an unknown link": put("ci.clusterLink", "agents"),
    "workers in the pods' network with IPv6": several(
        put("kubernetes.podCidr", "fd00:1::/56"), put("kubernetes.serviceCidr", "fd00:1::/60")
    ),
    "a machine with IPv6 and another port": put("hosts.k8s", {"address": "fd00::5", "port": 2222}),
    "no worker and no machine": several(put("kubernetes", {"workers": ["dns"]}), put("hosts", {})),
    "secrets in plain text": several(
        put("ssh.passphrase", "long enough"),
        put("hosts.dns.passphrase", "long enough"),
        put("ca.own", {"certificateFile": "/none", "keyFile": "/none", "passphrase": "long enough"}),
    ),
    "every value too large": several(
        put("dns.ttl", 10**6),
        put("ca.rootDays", 10**6),
        put("docker.prune.keepDays", 10**6),
        put("gitlab.tokenDays", 10**6),
        put("ci.concurrent", 10**6),
        put("registry.uiTitle", "x" * 200),
    ),
}


def _too_large(good: Config, directory: Path, _certify: Certify) -> None:
    (directory / ".gitlab-ci.yml").write_text("")
    (directory / "large").write_bytes(bytes(5 * 2**20))
    good["projects"] = [HELLO | {"source": str(directory)}]


def _file_for_a_source(good: Config, directory: Path, _certify: Certify) -> None:
    (directory / "file").write_text("")
    good["projects"] = [HELLO | {"source": str(directory / "file")}]


def _link_out(good: Config, directory: Path, _certify: Certify) -> None:
    (directory / "source").mkdir()
    (directory / "source" / "link").symlink_to("../key")
    good["projects"] = [HELLO | {"source": str(directory / "source")}]


def _ssh_key(passphrase: str | None) -> Callable[[Config, Path, Certify], None]:
    def spoil(good: Config, directory: Path, _certify: Certify) -> None:
        (directory / "id").write_bytes(
            ed25519.Ed25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.OpenSSH,
                encrypted(b"right"),
            )
        )
        good["ssh"]["privateKeyFile"] = str(directory / "id")
        if passphrase:
            good["ssh"]["passphrase"] = passphrase

    return spoil


def _needless_passphrase(good: Config, _directory: Path, _certify: Certify) -> None:
    good["ssh"]["passphrase"] = "needless"


def _binary_key(good: Config, directory: Path, _certify: Certify) -> None:
    (directory / "id").write_bytes(b"\xff\xfe\x00")
    good["hosts"]["dns"]["privateKeyFile"] = str(directory / "id")


def _own_ca(
    passphrase: str | None = None, *, another_key: bool = False, encryption: bytes | None = None, **arguments: Any
) -> Callable[[Config, Path, Certify], None]:
    def spoil(good: Config, _directory: Path, certify: Certify) -> None:
        certificate, key = certify(passphrase=encryption, **arguments)
        own(good, certificate, certify(name="other")[1] if another_key else key, passphrase)

    return spoil


def _key_that_is_none(good: Config, _directory: Path, certify: Certify) -> None:
    certificate, _ = certify()
    own(good, certificate, certificate)


def _mirrors_ca(good: Config, _directory: Path, certify: Certify) -> None:
    good["mirrors"] = {"caCertificateFile": str(certify(days=-1)[0])}


# What is done to good settings and in a directory.
FILES: dict[str, Callable[[Config, Path, Certify], None]] = {
    "source that is too large": _too_large,
    "source that is a file": _file_for_a_source,
    "source with a link out": _link_out,
    "SSH key without its passphrase": _ssh_key(None),
    "SSH key with another passphrase": _ssh_key("wrong"),
    "SSH key with a needless passphrase": _needless_passphrase,
    "SSH key that is no text": _binary_key,
    "own CA that expired": _own_ca(days=-1),
    "own CA that ends soon": _own_ca(days=100),
    "own CA of the future": _own_ca(days=5000),
    "own CA that is none": _own_ca(ca=False),
    "own CA without its passphrase": _own_ca(encryption=b"right"),
    "own CA with another passphrase": _own_ca("wrong", encryption=b"right"),
    "own CA with a needless passphrase": _own_ca(passphrase="needless"),
    "own CA with another's key": _own_ca(another_key=True),
    "own CA's key that is none": _key_that_is_none,
    "mirrors' CA that expired": _mirrors_ca,
}


def _report(config: Config, directories: dict[Path, str], **more: Any) -> str:
    with time_machine.travel(TODAY, tick=False), pytest.raises(settings.SettingsError) as caught:
        settings.parse(config, **more)
    text = report(caught.value.problems, "dev")
    for directory, name in directories.items():
        text = text.replace(str(directory), name)
    return re.sub(r"PROJECT/tests/unit/\w+\.py", "TEST.py", text)


@pytest.fixture
def directories(keys: Path, home: Path) -> dict[Path, str]:
    return {keys: "KEYS", home: "HOME", ROOT: "PROJECT"}


@pytest.mark.parametrize("kind", CASES)
def test_message(good: Config, directories: dict[Path, str], snapshot: SnapshotAssertion, kind: str) -> None:
    CASES[kind](good)
    assert _report(good, directories) == snapshot


@pytest.mark.parametrize("kind", CASES)
def test_message_where_all_is_secret(
    good: Config, directories: dict[Path, str], snapshot: SnapshotAssertion, kind: str
) -> None:
    """No value is shown then; what is in plain text on purpose is not told."""
    CASES[kind](good)
    try:
        text = _report(good, directories, secret_keys={*good, "domain"})
    except pytest.fail.Exception:
        text = "nothing is wrong"
    assert text == snapshot


@pytest.mark.parametrize("kind", FILES)
def test_message_about_a_file(
    good: Config,
    directories: dict[Path, str],
    tmp_path: Path,
    certify: Certify,
    snapshot: SnapshotAssertion,
    kind: str,
) -> None:
    with time_machine.travel(TODAY, tick=False):
        FILES[kind](good, tmp_path, certify)
    assert _report(good, {tmp_path: "DIRECTORY"} | directories, secret_keys={"ssh", "ca"}) == snapshot


LOST: dict[str, tuple[Sequence[str], dict[str, str | None]]] = {
    "lost": (["team/hello", "team/lost", "team/more"], {}),
    "another branch": ([], {"team/hello": "trunk"}),
}


@pytest.mark.parametrize("kind", LOST)
def test_message_about_what_the_stack_has(
    good: Config, directories: dict[Path, str], snapshot: SnapshotAssertion, kind: str
) -> None:
    kept, branches = LOST[kind]
    good["projects"] = [HELLO]
    assert _report(good, directories, kept_repositories=kept, branches=branches) == snapshot
