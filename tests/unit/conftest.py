"""What the unit tests share: a place with keys, and settings that are valid."""

from __future__ import annotations

import datetime
import functools
import gc
import json
import runpy
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest
import time_machine
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID
from pulumi.runtime.proto import source_pb2

import faststart  # noqa: F401 - before the SDKs, as in the program
from components.host.bundle import unpack
from preflight import looking
from settings import Stack, files
from settings.load import load
from tests.unit import recording

ROOT = Path(__file__).resolve().parents[2]
_LOOK = looking.look
TODAY = datetime.datetime(2026, 11, 28, 12, tzinfo=datetime.UTC)
"""The day on which the program is run. The periods in which tokens and kubeconfigs are renewed begin with it."""


def pytest_collection_finish() -> None:
    """What is there now stays; looking through it again and again was a third of these tests' time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


@pytest.fixture(scope="session")
def home_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for the packages below as well: what the program registered for one test is looked at by another's."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="package", autouse=True)
def home(home_directory: Path) -> Iterator[Path]:
    """The program writes below the user's home; here that is another. Not in the lab's tests of the same session.

    Nor is there an SSH agent, whoever runs the tests.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home_directory))
        patch.delenv("SSH_AUTH_SOCK", raising=False)
        yield home_directory


@pytest.fixture(scope="package", autouse=True)
def _known_hosts_read_once() -> Iterator[None]:
    """`ssh-keygen` is started once for each machine and content of known_hosts, not in each of hundreds of parses."""
    look_up = files.known_keys
    found: dict[tuple[str, Path, bytes], dict[str, str]] = {}

    def known_keys(entry: str, known_hosts: Path) -> dict[str, str]:
        key = entry, known_hosts, known_hosts.read_bytes()
        if key not in found:
            found[key] = look_up(entry, known_hosts)
        return dict(found[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "known_keys", known_keys)
        yield


@pytest.fixture(scope="package", autouse=True)
def _registered_without_stack_trace() -> Iterator[None]:
    """The SDK sends the engine the stack of each registration: a fifth of a run's time, and nobody here reads it.

    `_get_stack_trace` is private, of pulumi 3.259.0 (runtime/resource.py). An empty trace is what it returns where it
    finds no constructor.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pulumi.runtime.resource, "_get_stack_trace", source_pb2.StackTrace)
        yield


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with an SSH key and a known_hosts that pins four machines."""
    directory = tmp_path_factory.mktemp("ssh")
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
    return directory


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


@pytest.fixture
def good(keys: Path) -> dict[str, Any]:
    """Valid settings; each test gets its own copy to spoil."""
    return good_settings(keys)


@pytest.fixture
def agent(keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The socket of this session's SSH agent, which has the key."""
    # In the directory of temporary files itself: a socket's path has 107 characters at most.
    with tempfile.TemporaryDirectory() as directory:
        socket = f"{directory}/agent"
        monkeypatch.setenv("SSH_AUTH_SOCK", socket)
        with subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL) as process:
            try:
                while not Path(socket).is_socket():
                    assert process.poll() is None, "ssh-agent has ended"
                    time.sleep(0.01)
                private = tmp_path / "id-for-the-agent"
                private.touch(mode=0o600)
                private.write_bytes((keys / "id").read_bytes())
                subprocess.run(["ssh-add", "-q", str(private)], check=True)
                yield socket
            finally:
                process.terminate()


@pytest.fixture
def host_key(keys: Path) -> str:
    """Some machine's public key."""
    return (keys / "host.pub").read_text()


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
        # The program looks at its machines first, and there are none; a test may have a look of its own.
        if looking.look is _LOOK:
            patch.setattr(looking, "look", lambda stack, patience, tell: [])
        program()
    return recorder


@pytest.fixture(scope="session")
def mirror_ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a CA that the mirrors' certificates come from."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mirror")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, TODAY, TODAY + datetime.timedelta(days=9))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("mirror") / "ca.crt"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return file


Run = Callable[..., recording.Recorder]


def _shared(
    runs: dict[str, recording.Recorder], config: dict[str, Any], secret_keys: list[str] | None = None
) -> recording.Recorder:
    key = json.dumps([config, secret_keys or []], sort_keys=True)
    if key not in runs:
        runs[key] = run_with(config, secret_keys)
    return runs[key]


@pytest.fixture(scope="session")
def shared_runs() -> dict[str, recording.Recorder]:
    """What the program registered with the settings that it was run with so far, by the settings."""
    return {}


@pytest.fixture
def run_program(shared_runs: dict[str, recording.Recorder]) -> Run:
    """What the program registers with the settings passed; run once for all tests that pass the same, who only read."""
    return functools.partial(_shared, shared_runs)


@pytest.fixture
def run_afresh() -> Run:
    """Runs the whole program with the settings passed, for a test of what happens meanwhile."""
    return run_with


@pytest.fixture(scope="session")
def good_stack(keys: Path, shared_runs: dict[str, recording.Recorder]) -> recording.Recorder:
    """What the program registers with valid settings."""
    return _shared(shared_runs, good_settings(keys))


@pytest.fixture(scope="session")
def other_stack(keys: Path) -> recording.Recorder:
    """What it registers where many settings that have nothing to do with each other are not the default."""
    settings = good_settings(keys)
    settings["repair"] = "2026-11-24"
    settings["ca"] = {"algorithm": "RSA", "rsaBits": 2048}
    settings["docker"] = {"unprotectedTcp2375": True, "prune": {"enabled": False}}
    settings["registry"]["login"] = {"username": "ci", "password": "correct horse"}
    settings["kubernetes"]["ingressPorts"] = "redirect"
    settings["ci"] = {"runner": "kubernetes"}
    settings["mirrors"] = {
        "images": {"docker.io": "mirror.corp:5000", "registry.k8s.io": "mirror.corp:5000"},
        "kubernetes": "https://mirror.corp/k8s",
    }
    return run_with(settings, ["registry"])


@pytest.fixture(scope="session")
def bare_stack(keys: Path) -> recording.Recorder:
    """What it registers without GitLab, without a name server, and without ingress on the usual ports."""
    settings = without(good_settings(keys), "gitlab") | {"dns": {"provider": "none"}}
    settings["kubernetes"]["ingressPorts"] = "nodePort"
    return run_with(settings)


PROJECTS = [
    {"group": "team", "name": "hello", "pipeline": "custom"},
    {"group": "team", "name": "auto", "pipeline": "auto"},
]
"""One of each kind."""


@pytest.fixture(scope="session")
def projects_stack(keys: Path) -> recording.Recorder:
    """What it registers with two projects whose jobs run beside GitLab; the second's repository need not be kept."""
    hello = PROJECTS[0] | {"source": str(ROOT / "services/hello-custom"), "branch": "trunk"}
    projects = [hello, PROJECTS[1] | {"keepRepository": False}]
    return run_with(good_settings(keys) | {"projects": projects, "ci": {"goProxy": "https://mirror.corp/go"}})


@pytest.fixture(scope="session")
def mirrored_stack(keys: Path, mirror_ca: Path) -> recording.Recorder:
    """What it registers with two projects whose jobs run in the cluster, and images from a mirror with its own CA."""
    mirrors = {"images": {"docker.io": "mirror.corp:5000"}, "caCertificateFile": str(mirror_ca)}
    ci = {"runner": "kubernetes", "concurrent": 3}
    return run_with(good_settings(keys) | {"projects": PROJECTS, "ci": ci, "mirrors": mirrors})


def encrypted(passphrase: bytes) -> serialization.KeySerializationEncryption:
    """How an SSH key is encrypted; in one round, where OpenSSH's 16 cost a quarter of a second to make and to open."""
    return serialization.PrivateFormat.OpenSSH.encryption_builder().kdf_rounds(1).build(passphrase)


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
            .add_extension(CA_USAGE, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
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
