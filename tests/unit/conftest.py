"""What the unit tests share: a place with keys, settings that are valid, and what the program registers with them.

What takes time to import is imported by the fixtures: the process that only hands the tests out reads this file too,
and does so before it starts the others.
"""

from __future__ import annotations

import functools
import gc
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.unit.program import Certify, Run
    from tests.unit.recording import Recorder


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
    from settings import files

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
    import pulumi
    from pulumi.runtime.proto import source_pb2

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pulumi.runtime.resource, "_get_stack_trace", source_pb2.StackTrace)
        yield


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with an SSH key and a known_hosts that pins four machines."""
    from tests.unit.program import write_keys

    directory = tmp_path_factory.mktemp("ssh")
    write_keys(directory)
    return directory


@pytest.fixture
def good(keys: Path) -> dict[str, Any]:
    """Valid settings; each test gets its own copy to spoil."""
    from tests.unit.program import good_settings

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


@pytest.fixture(scope="session")
def mirror_ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a CA that the mirrors' certificates come from."""
    from tests.unit.program import write_mirror_ca

    file = tmp_path_factory.mktemp("mirror") / "ca.crt"
    write_mirror_ca(file)
    return file


@pytest.fixture(scope="session")
def shared_runs() -> dict[str, Recorder]:
    """What the program registered with the settings that it was run with so far, by the settings."""
    return {}


@pytest.fixture
def run_program(shared_runs: dict[str, Recorder]) -> Run:
    """What the program registers with the settings passed; run once for all tests that pass the same, who only read."""
    from tests.unit.program import shared

    return functools.partial(shared, shared_runs)


@pytest.fixture
def run_afresh() -> Run:
    """Runs the whole program with the settings passed, for a test of what happens meanwhile."""
    from tests.unit.program import run_with

    return run_with


@pytest.fixture(scope="session")
def good_stack(keys: Path, shared_runs: dict[str, Recorder]) -> Recorder:
    """What the program registers with valid settings."""
    from tests.unit.program import good_settings, shared

    return shared(shared_runs, good_settings(keys))


@pytest.fixture(scope="session")
def other_stack(keys: Path) -> Recorder:
    """What it registers where many settings that have nothing to do with each other are not the default."""
    from tests.unit.program import good_settings, run_with

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
def bare_stack(keys: Path) -> Recorder:
    """What it registers without GitLab, without a name server, and without ingress on the usual ports."""
    from tests.unit.program import good_settings, run_with, without

    settings = without(good_settings(keys), "gitlab") | {"dns": {"provider": "none"}}
    settings["kubernetes"]["ingressPorts"] = "nodePort"
    return run_with(settings)


@pytest.fixture(scope="session")
def projects_stack(keys: Path) -> Recorder:
    """What it registers with two projects whose jobs run beside GitLab; the second's repository need not be kept."""
    from tests.unit.program import PROJECTS, ROOT, good_settings, run_with

    hello = PROJECTS[0] | {"source": str(ROOT / "services/hello-custom"), "branch": "trunk"}
    projects = [hello, PROJECTS[1] | {"keepRepository": False}]
    return run_with(good_settings(keys) | {"projects": projects, "ci": {"goProxy": "https://mirror.corp/go"}})


@pytest.fixture(scope="session")
def mirrored_stack(keys: Path, mirror_ca: Path) -> Recorder:
    """What it registers with two projects whose jobs run in the cluster, and images from a mirror with its own CA."""
    from tests.unit.program import PROJECTS, good_settings, run_with

    mirrors = {"images": {"docker.io": "mirror.corp:5000"}, "caCertificateFile": str(mirror_ca)}
    ci = {"runner": "kubernetes", "concurrent": 3}
    return run_with(good_settings(keys) | {"projects": PROJECTS, "ci": ci, "mirrors": mirrors})


@pytest.fixture
def certify(tmp_path: Path) -> Certify:
    """Makes a CA of one's own: certificate and key file."""
    from tests.unit.program import certifier

    return certifier(tmp_path)
