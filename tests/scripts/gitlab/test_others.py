"""GitLab's data directory and ports on a machine that has some already; its runner's directory and jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.host.checks import Finding
from tests.scripts.machine import ROOT
from tests.scripts.rooted import Rooted, refused

RUNNER = ROOT / "components/gitlab_runner/scripts"
SCRIPTS = ROOT / "components/gitlab_server/scripts"
DATA_CHECK = SCRIPTS / "data-check.sh"
NAME = "gitlab.devops.example.com"


class Server(Rooted):
    """The machine of a GitLab whose data are in `data`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.data = self.root / "srv/gitlab"
        self.variables |= {
            "HOST_NAME": "gitlab",
            "NAME": NAME,
            "DATA": str(self.data),
            "KEEP_DATA": "false",
            "PORTS": "80 443 4567 22",
            "SSH_PORT": "22",
            "SSHD_MOVES": "yes",
            "SSHD_PORT": "2222",
        }

    def look(self, **changes: str) -> list[Finding]:
        return self.check(DATA_CHECK, **changes)

    def begin(self, **changes: str) -> None:
        result = self.step(SCRIPTS / "data.sh", **changes)
        assert result.returncode == 0, result.stderr

    def end(self, **changes: str) -> str:
        result = self.step(SCRIPTS / "data-remove.sh", BEGUN="yes", **changes)
        assert result.returncode == 0, result.stderr
        return result.stderr


@pytest.fixture
def machine(tmp_path: Path) -> Server:
    return Server(tmp_path / "machine")


def test_a_machine_without_data(machine: Server) -> None:
    assert machine.look() == []
    (machine.data / "lost+found").mkdir(parents=True)
    assert machine.look() == [], "a new disk"


def test_data_of_someone_else(machine: Server) -> None:
    before = machine.write("srv/gitlab/config/gitlab.rb", "their GitLab")
    (found,) = machine.look()
    assert refused([found]) == [f"data {machine.data}: data that this stack did not begin: config"]
    assert f"pulumi config set --path 'auto-devops:hosts.gitlab.adopt[0]' {machine.data}" in found.fix
    assert before.read_text() == "their GitLab"


def test_data_that_an_early_release_kept(machine: Server) -> None:
    """They have no mark, and look like those of a GitLab that was run by hand: who knows better says so by the mark."""
    for directory in ("config", "data", "logs"):
        machine.write(f"srv/gitlab/{directory}/x", "work")
    (found,) = machine.look()
    command = found.fix.rpartition("on gitlab: ")[2]
    assert command == f"echo {NAME} >{machine.data}/.auto-devops" and "(gitlab.keepData)" in found.fix
    machine.write("srv/gitlab/.auto-devops", f"{NAME}\n")
    assert machine.look() == []


@pytest.mark.parametrize("keep", ["true", "false"])
def test_adopted_data_are_never_removed(machine: Server, keep: str) -> None:
    machine.write("srv/gitlab/config/gitlab.rb", "their GitLab")
    machine.write("srv/gitlab/data/repositories", "their work")
    before = machine.snapshot()
    adopt = {"ADOPT": str(machine.data), "KEEP_DATA": keep}
    assert machine.look(**adopt) == []
    machine.begin(**adopt)
    assert "which this stack did not begin" in machine.end(**adopt)
    assert machine.snapshot() == before


def test_a_stack_goes_on_with_what_it_has_begun(machine: Server) -> None:
    machine.begin()
    machine.write("srv/gitlab/data/repositories", "work")
    assert machine.look(BEGUN="yes") == []
    (machine.data / ".auto-devops").unlink()
    assert machine.look(BEGUN="yes") == [], "an earlier release left no mark"


def test_what_goes_is_told_before(machine: Server) -> None:
    machine.begin()
    machine.write("srv/gitlab/data/repositories", "work" * 100000)
    machine.write("srv/gitlab/notes", "somebody's")
    said = machine.end()
    assert f"removing GitLab's data in {machine.data}: 4" in said
    assert [path.name for path in machine.data.iterdir()] == ["notes"]


def test_what_was_kept_is_taken_up_by_the_same_domain_only(machine: Server) -> None:
    machine.begin(KEEP_DATA="true")
    work = machine.write("srv/gitlab/data/repositories", "work")
    machine.end(KEEP_DATA="true")
    assert work.exists() and not (machine.state / "gitlab-data").exists()
    other = machine.look(NAME="gitlab.other.example")
    assert refused(other) == [f"data {machine.data}: the data of {NAME}, which another stack kept"]
    assert machine.look() == []
    machine.begin()
    machine.end()
    assert not machine.data.exists()


def test_what_was_not_begun_is_not_removed(machine: Server) -> None:
    theirs = machine.write("srv/gitlab/data/repositories", "their work")
    machine.end()
    assert theirs.exists()


def test_data_that_were_moved_as_told(machine: Server) -> None:
    machine.begin()
    machine.write("srv/gitlab/data/repositories", "work")
    moved = machine.root / "data/gitlab"
    moved.parent.mkdir()
    machine.data.rename(moved)
    (moved / ".auto-devops").unlink()  # An earlier release left none.
    assert machine.look(BEGUN="yes", DATA=str(moved)) == []


def test_data_elsewhere_on_the_disk(machine: Server) -> None:
    """Somebody mounts, or links, a larger one."""
    machine.begin()
    larger = machine.write("larger/x")
    (machine.data / "data").rmdir()
    (machine.data / "data").symlink_to(larger.parent)
    machine.end()
    assert not machine.data.exists() and larger.exists()


@pytest.mark.parametrize(
    ("port", "program", "moves", "taken"),
    [
        (443, "nginx", "yes", True),
        (4567, "registry", "yes", True),
        (22, "sshd", "yes", False),
        (22, "systemd", "yes", False),
        (22, "sshd", "no", True),
        (22, "dropbear", "yes", True),
        (2222, "sshd", "yes", False),
        (2222, "gitea", "yes", True),
        (2222, "gitea", "no", False),
        (8080, "nginx", "yes", False),
    ],
)
def test_ports(machine: Server, port: int, program: str, moves: str, taken: bool) -> None:
    machine.listens(port, "0.0.0.0", program)
    found = refused(machine.look(SSHD_MOVES=moves))
    assert [what.partition(":")[0] for what in found] == ([f"port {port}"] if taken else [])
    assert all(program in what for what in found)


def test_a_port_of_a_container(machine: Server) -> None:
    machine.fake("docker", 'case "$*" in *publish=443*) echo web ;; *publish=80*) echo gitlab ;; esac')
    machine.listens(443, "0.0.0.0", "docker-proxy")
    assert refused(machine.look()) == ["port 80: in use: the container gitlab", "port 443: in use: the container web"]
    machine.begin()
    assert refused(machine.look(BEGUN="yes")) == ["port 443: in use: the container web"]


def test_certificates_of_someone_else_come_back(machine: Server) -> None:
    """Also where the domain has the stack's own name in it."""
    name = "gitlab.auto-devops.test"
    machine.files(dict.fromkeys(("certificate.pem", "key.pem", "ca.pem"), "ours\n"))
    machine.files({"gitlab.sh": (SCRIPTS / "gitlab.sh").read_text()})
    theirs = machine.write(f"srv/gitlab/config/ssl/{name}.crt", "theirs")
    before = machine.snapshot()
    (machine.data / "auto-devops").mkdir()
    for script in ("certificates", "certificates", "certificates-remove"):
        result = machine.step(SCRIPTS / f"{script}.sh", NAME=name, ADDRESS="10.0.0.13")
        assert result.returncode == 0, result.stderr
        assert theirs.read_text() == ("ours\n" if script == "certificates" else "theirs")
    assert machine.snapshot() == before


# The runner

CONFIGURATION = '[[runners]]\n  name = "a"\n  token = "{}"\n'
LABEL = "com.gitlab.gitlab-runner.runner.id"


def runner(machine: Server, token: str, **changes: str) -> None:
    names = ("ca.crt", "ca.pem", "cert.pem", "key.pem")
    machine.files(dict.fromkeys(names, "ours\n") | {"config.toml": CONFIGURATION.format(token), "volumes": "kept\n"})
    result = machine.step(RUNNER / "configure.sh", **changes)
    assert result.returncode == 0, result.stderr


def test_a_runner_of_someone_else(machine: Server) -> None:
    directory = machine.write("srv/gitlab-runner/config.toml", "theirs").parent
    machine.write("srv/gitlab-runner/certs/gitlab.crt", "theirs")
    machine.write("srv/gitlab-runner/certs/ca.crt", "theirs")
    before = machine.snapshot()
    look = machine.check(RUNNER / "check.sh")
    assert [what.partition(":")[0] for what in refused(look)] == [f"data {directory}"]
    adopt = {"ADOPT": str(directory)}
    assert machine.check(RUNNER / "check.sh", **adopt) == []
    runner(machine, "glrt-abcdefghijkl", **adopt)
    assert "glrt-abcdefghijkl" in (directory / "config.toml").read_text()
    result = machine.step(RUNNER / "remove.sh", BEGUN="yes", **adopt)
    assert result.returncode == 0, result.stderr
    assert machine.snapshot() == before


def test_only_this_runners_jobs_go(machine: Server) -> None:
    """Somebody else's runner may have the same engine."""
    volumes = "ours12345 v1\\nolder2345 v2\\ntheirs123 v3\\n"
    machine.fake(
        "docker",
        f"""for last; do true; done
        case "$*" in
        "volume ls --filter label={LABEL} "*) printf '{volumes}' ;;
        *"ps "*{LABEL}=*) echo "c-${{last##*=}}" ;;
        *"volume ls --quiet --filter label"*) echo "v-${{last##*=}}" ;;
        *auto-devops-cache-*) echo auto-devops-cache-a; echo my-auto-devops-cache-b ;;
        esac""",
    )
    runner(machine, "glrt-older23456")
    runner(machine, "glrt-ours123456", BEGUN="yes")
    removed = [call for call in machine.calls if call.startswith("docker volume rm v")]
    assert removed == ["docker volume rm v2"]
    machine.fake("dockerd", "true")
    result = machine.step(RUNNER / "remove.sh", BEGUN="yes")
    assert result.returncode == 0, result.stderr
    gone = {word for call in machine.calls if " rm " in call for word in call.split()}
    assert {"c-older2345", "c-ours12345", "v-ours12345", "auto-devops-cache-a"} <= gone
    assert not [word for word in gone if "theirs" in word or word.startswith("my-")]


def test_jobs_that_cannot_be_removed_fail_the_removal(machine: Server) -> None:
    machine.fake("dockerd", "true")
    machine.fake("docker", "echo permission denied >&2; exit 1")
    result = machine.step(RUNNER / "remove.sh", BEGUN="yes")
    assert result.returncode == 1
    assert "an engine that does not answer: permission denied" in result.stderr


def test_a_missing_docker_command_is_no_engine_that_is_silent(machine: Server) -> None:
    machine.fake("dockerd", "true")
    result = machine.step(RUNNER / "remove.sh", BEGUN="yes")
    assert result.returncode == 1
    assert "no command docker" in result.stderr and "does not answer" not in result.stderr


def test_an_engine_that_is_gone_has_nothing_of_the_runners_jobs(machine: Server) -> None:
    assert machine.step(RUNNER / "remove.sh", BEGUN="yes").returncode == 0
