"""The ports of a machine's own sshd: the real one reads configurations of every kind, a fake one takes them up."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from tests.scripts.machine import ROOT, Machine

SCRIPTS = ROOT / "components/host/scripts"
SSHD = Path("/usr/sbin/sshd")

pytestmark = pytest.mark.skipif(
    not SSHD.exists() or os.geteuid() != 0, reason="needs openssh-server, which reads its configuration for root only"
)

WITH_INCLUDE = "Include {drop_ins}/*.conf\n#Port 22\nKbdInteractiveAuthentication no\n"
CONFIGURATIONS = {
    "as installed": WITH_INCLUDE,
    "with a port": "Port 22\n" + WITH_INCLUDE,
    "with a port in other letters": WITH_INCLUDE + "  port=22\n",
    "without Include": "Port 22\nUsePAM no\nMatch User git\n  PasswordAuthentication no\n",
    "without Include and port": "UsePAM no\n",
    "with an address": WITH_INCLUDE + "ListenAddress 127.0.0.1\n",
}


class Sshd:
    """A machine with an sshd that is made of files: what it listens on is what it read last."""

    def __init__(self, root: Path, host_key: Path) -> None:
        self.machine = Machine(root / "machine")
        self.etc = root / "ssh"
        self.drop_ins = self.etc / "sshd_config.d"
        self.drop_ins.mkdir(parents=True)
        self.listening = root / "listening"
        self.listening.write_text("22\n")
        self.other = root / "other"
        self.other.write_text("")
        self._host_key = f"HostKey {host_key}\n"
        functions = (SCRIPTS / "sshd.sh").read_text()
        for name, path in {
            "/etc/ssh/sshd_config.d/": f"{self.drop_ins}/",
            "/etc/ssh/sshd_config\n": f"{self.etc}/sshd_config\n",
            "/etc/systemd/system/ssh.socket.d/": f"{root}/ssh.socket.d/",
        }.items():
            assert name in functions
            functions = functions.replace(name, path)
        self.machine.files({"sshd.sh": functions})
        self.machine.variables = {"HOST_NAME": "gitlab", "OLD_PORT": "22", "NEW_PORT": "2222"}
        self.takes_up(True)
        # The port asked for is the last word: sport = :22
        self.machine.fake(
            "ss",
            f"""port=${{*: -1}}; port=${{port##*:}}
            grep -qx "$port" {self.listening} && echo "LISTEN 0 128 *:$port users:((\\"sshd\\",pid=1,fd=3))"
            grep -qx "$port" {self.other} && echo "LISTEN 0 128 *:$port users:((\\"docker-proxy\\",pid=2,fd=4))"
            true""",
        )

    def _script(self, name: str, line: str) -> Path:
        path = self.etc.parent / f"{name}.sh"
        path.write_text(line)
        return path

    def takes_up(self, willing: bool, socket: bool = False) -> None:
        """Whether a reload does what it should, and whether systemd listens in its place."""
        read = f"{SSHD} -T -f {self.etc}/sshd_config | sed -n 's/^port //p' | sort -un >{self.listening}"
        self.machine.fake(
            "systemctl",
            f"""case "$*" in
            *is-active*ssh.socket) {"true" if socket else "false"} ;;
            "reload ssh" | "restart ssh.socket") {read if willing else "true"} ;;
            esac""",
        )

    def configure(self, text: str) -> dict[str, str]:
        """Writes the configuration; what the files are then."""
        (self.etc / "sshd_config").write_text(self._host_key + text.format(drop_ins=self.drop_ins))
        return self.files()

    def files(self) -> dict[str, str]:
        """The configuration's files."""
        found = [self.etc / "sshd_config", *self.drop_ins.glob("*"), *self.etc.parent.glob("ssh.socket.d/*")]
        return {path.name: path.read_text() for path in found}

    def step(self, name: str) -> tuple[int, str]:
        """Runs one of the Host's scripts; status, and what it said."""
        text = (SCRIPTS / f"{name}.sh").read_text().replace("/run/lock/", f"{self.machine.root}/")
        done = self.machine.run(self._script(name, text))
        return done.returncode, done.stderr

    def does(self, name: str) -> list[str]:
        """Runs a script that has to succeed; where sshd listens then."""
        status, said = self.step(name)
        assert status == 0, said
        return self.listening.read_text().split()


@pytest.fixture(scope="module")
def host_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private key as sshd wants it: nobody else may read it."""
    file = tmp_path_factory.mktemp("sshd") / "key"
    file.touch(mode=0o600)
    key = ed25519.Ed25519PrivateKey.generate()
    kind = serialization.PrivateFormat.OpenSSH
    file.write_bytes(key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()))
    return file


@pytest.fixture
def sshd(tmp_path: Path, host_key: Path) -> Sshd:
    """A machine whose sshd is on port 22."""
    return Sshd(tmp_path, host_key)


@pytest.mark.parametrize(
    ("kind", "socket"),
    # To a socket it matters only which of the two files has our ports.
    [*((kind, False) for kind in CONFIGURATIONS), ("as installed", True), ("without Include", True)],
)
def test_sshd_moves_and_comes_back(sshd: Sshd, kind: str, socket: bool) -> None:
    before = sshd.configure(CONFIGURATIONS[kind])
    sshd.takes_up(True, socket)
    assert sshd.does("sshd-open") == ["22", "2222"]
    assert sshd.does("sshd-open") == ["22", "2222"], "again, as after an interruption"
    assert sshd.does("sshd-close") == ["2222"]
    assert sshd.does("sshd-close") == ["2222"]
    assert sshd.does("sshd-reopen") == ["22", "2222"]
    assert sshd.does("leave") == ["22"]
    assert sshd.files() == before


def test_the_socket_is_told_the_ports(sshd: Sshd) -> None:
    sshd.configure(WITH_INCLUDE)
    sshd.takes_up(True, socket=True)
    sshd.does("sshd-open")
    assert "ListenStream=\nListenStream=22\nListenStream=2222\n" in sshd.files()["auto-devops.conf"]
    assert "systemctl restart ssh.socket" in sshd.machine.calls


def test_other_ports_stay(sshd: Sshd) -> None:
    sshd.configure("Port 22\nPort 8022\n" + WITH_INCLUDE)
    assert sshd.does("sshd-open") == ["22", "2222", "8022"]
    assert sshd.does("sshd-close") == ["2222", "8022"]
    assert sshd.does("leave") == ["22", "8022"]


def test_edits_of_others_stay(sshd: Sshd) -> None:
    sshd.configure("Port 22\n" + WITH_INCLUDE)
    sshd.does("sshd-open")
    with (sshd.etc / "sshd_config").open("a") as file:
        file.write("MaxSessions 3\n")
    sshd.does("leave")
    assert "\nPort 22\n" in sshd.files()["sshd_config"] and sshd.files()["sshd_config"].endswith("MaxSessions 3\n")


def test_an_address_with_a_port_is_refused_and_nothing_changes(sshd: Sshd) -> None:
    before = sshd.configure(WITH_INCLUDE + "ListenAddress 127.0.0.1:22\n")
    status, said = sshd.step("sshd-open")
    assert status == 1
    assert "ListenAddress with a port" in said and "set gitlab.sshPort to another port" in said
    assert sshd.files() == before
    assert sshd.listening.read_text() == "22\n"


def test_a_broken_configuration_is_left_alone(sshd: Sshd) -> None:
    before = sshd.configure(WITH_INCLUDE + "Nonsense yes\n")
    status, _ = sshd.step("sshd-open")
    assert status == 1
    assert sshd.files() == before


def test_an_sshd_that_does_not_take_it_up_has_its_old_configuration_again(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sshd.configure(WITH_INCLUDE)
    sshd.takes_up(False)
    impatient = (sshd.machine.root / "files/sshd.sh").read_text().replace("await 20", "await 0")
    sshd.machine.files({"sshd.sh": impatient})
    status, said = sshd.step("sshd-open")
    assert status == 1 and "does not take up its new configuration" in said
    assert sshd.files() == before


@pytest.mark.parametrize("step", ["sshd-reopen", "leave"])
def test_sshd_does_not_leave_its_new_port_while_someone_else_has_the_old(sshd: Sshd, step: str) -> None:
    """GitLab's container, still there: sshd would be nowhere."""
    sshd.configure(WITH_INCLUDE)
    sshd.does("sshd-open")
    sshd.does("sshd-close")
    sshd.other.write_text("22\n")
    status, said = sshd.step(step)
    assert status == 1 and "port 22 in use by docker-proxy" in said
    assert sshd.listening.read_text() == "2222\n"


def test_a_port_that_someone_else_has_is_not_taken(sshd: Sshd) -> None:
    before = sshd.configure(WITH_INCLUDE)
    sshd.other.write_text("2222\n")
    status, said = sshd.step("sshd-open")
    assert status == 1 and "port 2222 in use by docker-proxy" in said
    assert sshd.files() == before


def test_a_firewall_on_the_machine_is_told_before_anything_changes(sshd: Sshd) -> None:
    before = sshd.configure(WITH_INCLUDE)
    # Slowly: whoever stops reading at the first line leaves it with a broken pipe.
    lines = "'Status: active' 'Default: deny (incoming)' '22/tcp  ALLOW  Anywhere'"
    sshd.machine.fake("ufw", f'for line in {lines}; do echo "$line"; sleep 0.1; done')
    status, said = sshd.step("sshd-open")
    assert status == 1 and "ufw allow 2222/tcp" in said
    assert sshd.files() == before
    sshd.machine.fake("ufw", "printf 'Default: deny (incoming)\\n2222/tcp                   ALLOW       Anywhere\\n'")
    assert sshd.does("sshd-open") == ["22", "2222"]


def test_a_machine_that_never_moved_is_left_alone(sshd: Sshd) -> None:
    before = sshd.configure(WITH_INCLUDE)
    sshd.does("leave")
    assert sshd.files() == before
    assert not [call for call in sshd.machine.calls if call.startswith("systemctl")]
