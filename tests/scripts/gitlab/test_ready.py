"""When GitLab is taken for ready, and what is said where it is not."""

from __future__ import annotations

import datetime
import re
import subprocess

import pytest

from tests.scripts.gitlab.server import SCRIPTS
from tests.scripts.machine import Machine


class Gitlab:
    """A container of GitLab that answers as it is told."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        machine.variables |= {"REGISTRY_PORT": "4567"}
        self.engine = "true"
        self.log = "Configuring GitLab...\ngitlab Reconfigured!\n"
        self.state = {"{{.Id}}": "abc", "{{.State.Running}}": "true", "{{.State.Restarting}}": "false"}
        self.state |= {"{{.State.Status}}": "running", "{{.RestartCount}}": "0"}
        self.state["{{.State.StartedAt}}"] = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%S.123456789Z}"
        self.services = "run: puma: (pid 1)"
        self.answers = {"/-/readiness?all=1": "200", "/api/v4/version": "401", ":4567/v2/": "401"}
        self.served = {"443": "new", "4567": "new"}

    def ready(self) -> subprocess.CompletedProcess[str]:
        """Asks once for everything that it would otherwise wait for."""
        root = self.machine.root
        (root / "log").write_text(self.log)
        inspected = "".join(f"*'{key}'*) echo '{value}' ;;\n" for key, value in self.state.items())
        status = 1 if "down:" in self.services else 0
        self.machine.fake(
            "docker",
            f"""case "$*" in
            {inspected}
            version) {self.engine} ;;
            logs*) cat {root}/log ;;
            *"gitlab-ctl status") echo '{self.services}'; exit {status} ;;
            *VERSION) echo 19.2.0 ;;
            esac""",
        )
        cases = "".join(f"*'{end}') printf {answer} ;;\n" for end, answer in self.answers.items())
        self.machine.fake("curl", f'case "$*" in\n{cases}\n*) printf 000; echo "curl: no way" >&2; exit 7 ;; esac')
        ports = "".join(f"*s_client*:{port}*) echo {name} ;;\n" for port, name in self.served.items())
        self.machine.fake("openssl", f'case "$*" in\n{ports}\n*x509*-in*) echo new ;; *) cat ;; esac')
        text = re.sub(r"await (\d+|\$PATIENCE)", "await 0", (SCRIPTS / "ready.sh").read_text())
        impatient = root / "ready.sh"
        impatient.write_text(text.replace("installed curl", "true"))
        return self.machine.run(impatient)


@pytest.fixture
def gitlab(machine: Machine) -> Gitlab:
    """GitLab, configured and well."""
    return Gitlab(machine)


def test_ready_is_gitlab_that_answers_by_name_address_and_ca(gitlab: Gitlab) -> None:
    done = gitlab.ready()
    assert (done.returncode, done.stdout) == (0, "19.2.0\n"), done.stderr
    asked = [call for call in gitlab.machine.calls if call.startswith("curl")]
    assert len(asked) == 3
    for call in asked:
        assert "--cacert " in call and ":192.168.80.113" in call and "--insecure" not in call


def test_an_engine_that_is_silent_is_no_gitlab_that_does_not_come_up(gitlab: Gitlab) -> None:
    gitlab.engine = "echo Cannot connect to the Docker daemon >&2; exit 1"
    done = gitlab.ready()
    assert done.returncode == 1 and "does not come up" not in done.stderr
    assert "an engine that does not answer: Cannot connect to the Docker daemon" in done.stderr


def test_ready_waits_for_the_configurations_end(gitlab: Gitlab) -> None:
    gitlab.log = "Configuring GitLab...\nFATAL: rake aborted, database is locked\n  more\n"
    done = gitlab.ready()
    assert done.returncode == 1
    assert "waiting for" in done.stderr or "does not come up (running, restarted 0 times)" in done.stderr
    assert "FATAL: rake aborted, database is locked\n" in done.stderr and "  more" not in done.stderr
    assert "docker logs --tail 200 gitlab" in done.stderr


def test_ready_does_not_wait_for_a_container_that_ended(gitlab: Gitlab) -> None:
    gitlab.state |= {"{{.State.Running}}": "false", "{{.State.Status}}": "exited"}
    done = gitlab.ready()
    assert done.returncode == 1 and "does not come up (exited" in done.stderr


def test_ready_knows_a_container_that_was_configured_long_ago(gitlab: Gitlab) -> None:
    """Its log is cut by then."""
    gitlab.log = "GET /\n"
    gitlab.state["{{.State.StartedAt}}"] = "2026-01-01T00:00:00.5Z"
    assert gitlab.ready().returncode == 0


def test_ready_names_the_service_that_does_not_run(gitlab: Gitlab) -> None:
    gitlab.services = "down: sidekiq: 3s"
    done = gitlab.ready()
    assert done.returncode == 1 and "down: sidekiq" in done.stderr


def test_ready_says_who_may_see_the_health(gitlab: Gitlab) -> None:
    gitlab.answers["/-/readiness?all=1"] = "404"
    done = gitlab.ready()
    assert done.returncode == 1 and "gitlab.monitoringNetworks" in done.stderr


def test_ready_says_why_there_is_no_answer(gitlab: Gitlab) -> None:
    gitlab.answers = {}
    done = gitlab.ready()
    assert done.returncode == 1 and "curl: no way" in done.stderr


@pytest.mark.parametrize("end", ["/api/v4/version", ":4567/v2/"])
def test_ready_needs_the_api_and_the_registry(gitlab: Gitlab, end: str) -> None:
    gitlab.answers[end] = "502"
    done = gitlab.ready()
    assert done.returncode == 1 and f"502 from https://gitlab.devops.example.com{end}" in done.stderr


@pytest.mark.parametrize("port", ["443", "4567"])
def test_ready_needs_the_certificate_that_was_placed(gitlab: Gitlab, port: str) -> None:
    """One that nginx has not read yet is of the same CA, and ends soon."""
    gitlab.served[port] = "old"
    done = gitlab.ready()
    assert done.returncode == 1 and f"another certificate at gitlab.devops.example.com:{port}" in done.stderr
    assert "gitlab-ctl hup nginx" in done.stderr
