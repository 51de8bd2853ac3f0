"""The program on mocks, and the settings and files that it is run with."""

from __future__ import annotations

import asyncio
import datetime
import gc
import json
import runpy
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pulumi
import pytest
import time_machine
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from components.host.bundle import unpack
from preflight import looking
from settings import Stack
from settings.load import load
from tests.unit import recording

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
_LOOK = looking.look
TODAY = datetime.datetime(2026, 11, 28, 12, tzinfo=datetime.UTC)
"""The day on which the program is run. The periods in which tokens and kubeconfigs are renewed begin with it."""

PROJECTS = [
    {"group": "team", "name": "hello", "pipeline": "custom"},
    {"group": "team", "name": "auto", "pipeline": "auto"},
]
"""One of each kind."""


Run = Callable[..., recording.Recorder]
Certify = Callable[..., tuple[Path, Path]]
CA_USAGE = x509.KeyUsage(
    key_cert_sign=True,
    crl_sign=True,
    **dict.fromkeys(
        (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    ),
)
"""What a CA's key is for."""


def write_keys(directory: Path) -> None:
    """An SSH key, and a known_hosts that pins four machines."""
    private = ed25519.Ed25519PrivateKey.generate()
    (directory / "id").write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
    )
    host_key = ec.generate_private_key(ec.SECP256R1()).public_key()
    text = host_key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    (directory / "host.pub").write_text(text)
    lines = [f"192.168.80.{last} {text}" for last in (110, 112, 113, 96)]
    (directory / "known_hosts").write_text("\n".join(lines) + "\n")


def write_mirror_ca(file: Path) -> None:
    """The certificate of a CA that the mirrors' certificates come from."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mirror")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, TODAY, TODAY + datetime.timedelta(days=9))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def certifier(directory: Path) -> Certify:
    """Makes CAs of one's own in `directory`: certificate and key file."""

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
            .add_extension(CA_USAGE, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        paths = directory / f"{name}.crt", directory / f"{name}.key"
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        paths[1].write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        )
        return paths

    return make


def good_settings(keys: Path) -> dict[str, Any]:
    """Valid settings of a stack with four machines."""
    return {
        "domain": "devops.example.com",
        "ssh": {"privateKeyFile": str(keys / "id"), "knownHostsFile": str(keys / "known_hosts")},
        "hosts": {
            "dns": {"address": "192.168.80.110"},
            "registry": {"address": "192.168.80.112"},
            "gitlab": {"address": "192.168.80.113", "user": "ops"},
            "k8s": {"address": "192.168.80.96"},
        },
        "dns": {"host": "dns"},
        "registry": {"host": "registry"},
        "gitlab": {"host": "gitlab"},
        "kubernetes": {"host": "k8s"},
    }


def without(config: dict[str, Any], *machines: str) -> dict[str, Any]:
    """Settings without some of the machines and what is on them, where a test asks of others: less to register."""
    sections = {"kubernetes" if machine == "k8s" else machine for machine in machines}
    left = {key: value for key, value in config.items() if key not in sections}
    return left | {"hosts": {name: host for name, host in config["hosts"].items() if name not in machines}}


def unpacked(command: recording.Registered) -> dict[str, str]:
    """What a command gets by standard input: file name to content."""
    return unpack(recording.plain(command.inputs["stdin"]))


def _configure(config: dict[str, Any], secret_keys: list[str] | None = None) -> None:
    values = {
        f"auto-devops:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in config.items()
    }
    pulumi.runtime.set_all_config(values, [f"auto-devops:{key}" for key in secret_keys or []])


def load_with(config: dict[str, Any], remembered: dict[str, Any] | None = None) -> Stack:
    """Reads the settings as the program does first, of a stack with the outputs `remembered`; nothing is registered."""
    recording.start(remembered)
    _configure(config)
    return load()


def run_with(
    config: dict[str, Any],
    secret_keys: list[str] | None = None,
    remembered: dict[str, Any] | None = None,
    today: datetime.datetime = TODAY,
) -> recording.Recorder:
    """Runs the whole program on fresh mocks, of a stack with the outputs `remembered`; what it registered."""
    recorder = recording.start(remembered)
    _configure(config, secret_keys)

    # Waits for everything that the program left outstanding, as the engine does.
    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def program() -> None:
        runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")

    with time_machine.travel(today), pytest.MonkeyPatch.context() as patch:
        patch.setattr(pulumi, "export", recorder.export)
        # The collector of the tests' own process has its thresholds (conftest.py).
        patch.setattr(gc, "set_threshold", lambda *_: None)
        # The program looks at its machines first, and there are none; a test may have a look of its own.
        if looking.look is _LOOK:
            patch.setattr(looking, "look", lambda stack, name, patience, tell: [])
        program()
    return recorder


def shared(
    runs: dict[str, recording.Recorder], config: dict[str, Any], secret_keys: list[str] | None = None
) -> recording.Recorder:
    """What the program registers with the settings: of `runs`, or run now and added to them."""
    key = json.dumps([config, secret_keys or []], sort_keys=True)
    if key not in runs:
        runs[key] = run_with(config, secret_keys)
    return runs[key]


def encrypted(passphrase: bytes) -> serialization.KeySerializationEncryption:
    """How an SSH key is encrypted; in one round, where OpenSSH's 16 cost a quarter of a second to make and to open."""
    return serialization.PrivateFormat.OpenSSH.encryption_builder().kdf_rounds(1).build(passphrase)


def finish(work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns. asyncio.run would take the event loop away that Pulumi's mocks want of this thread."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()
