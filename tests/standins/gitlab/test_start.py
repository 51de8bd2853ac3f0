"""How it starts, and how it refuses to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from gitlab_standin import omnibus, versions
from gitlab_standin.ruby import RubyError
from gitlab_standin.settings import Settings

from tests.standins.gitlab.installation import SERVER, Installation

NEEDED = "external_url 'https://gitlab.test'\nletsencrypt['enable'] = false\n"


def test_reads_every_form_that_the_image_documents() -> None:
    found = omnibus.parse(
        """
        external_url "https://gitlab.test"; letsencrypt['enable'] = false  # both on a line
        gitlab_rails['gitlab_shell_ssh_port'] = 2222
        gitlab_rails['monitoring_whitelist'] = [
          '127.0.0.0/8',
          '172.17.0.0/16',
        ]
        puma["worker_processes"] = 0
        """
    )
    assert found == {
        "external_url": "https://gitlab.test",
        "letsencrypt['enable']": False,
        "gitlab_rails['gitlab_shell_ssh_port']": 2222,
        "gitlab_rails['monitoring_whitelist']": ["127.0.0.0/8", "172.17.0.0/16"],
        "puma['worker_processes']": 0,
    }


def test_names_every_unknown_key_at_once() -> None:
    with pytest.raises(omnibus.ConfigurationError) as caught:
        omnibus.parse("mattermost['enable'] = true\ngitlab_rails['smtp_enable'] = true\n" + NEEDED)
    assert "line 1: mattermost['enable'] is not supported" in str(caught.value)
    assert "line 2: gitlab_rails['smtp_enable'] is not supported" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("external_url ENV['HOST']", "line 1"),
        ("if true", "expected '='"),
        ("puma['worker_processes'] = 1 + 1", "expected the end of the line"),
        ("external_url = 'https://gitlab.test'", "takes its value without '='"),
        ('external_url "https://#{name}"', "interpolation"),
    ],
)
def test_other_ruby_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(RubyError, match=r"line 1") as caught:
        omnibus.parse(text)
    assert said in str(caught.value)


def test_values_of_the_wrong_kind_are_refused() -> None:
    with pytest.raises(omnibus.ConfigurationError, match="must be int, found '2'"):
        omnibus.parse("puma['worker_processes'] = '2'")


def test_how_long_a_runners_question_is_held() -> None:
    text = "gitlab_workhorse['api_ci_long_polling_duration'] = '{}'\n" + NEEDED
    asked = omnibus.parse(text.format("1s"))
    assert omnibus.settings_from(asked, Settings(external_url="")).polling_seconds == 1
    with pytest.raises(omnibus.ConfigurationError, match="must be seconds, as '50s', found '1m'"):
        omnibus.settings_from(omnibus.parse(text.format("1m")), Settings(external_url=""))


def _start(root: Path, configuration: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gitlab_standin.supervisor", "--root", root],
        env={**os.environ, "PYTHONPATH": str(SERVER), "GITLAB_OMNIBUS_CONFIG": configuration},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_does_not_start_without_its_certificate(tmp_path: Path) -> None:
    done = _start(tmp_path, NEEDED)
    assert done.returncode == 1
    assert f"certificates are missing: {tmp_path}/etc/gitlab/ssl/gitlab.test.crt" in done.stderr
    assert "gitlab Reconfigured!" not in done.stdout


def test_does_not_start_on_newer_data(tmp_path: Path) -> None:
    Installation(tmp_path)
    written = tmp_path / "var/opt/gitlab/gitlab-rails/VERSION"
    written.parent.mkdir(parents=True)
    written.write_text("19.5.0\n")
    done = _start(tmp_path, "external_url 'https://localhost'\nletsencrypt['enable'] = false")
    assert done.returncode == 1
    assert "GitLab can't be downgraded" in done.stderr


@pytest.mark.parametrize(
    ("old", "new", "missed"),
    [
        ("19.2.0", "19.2.3", None),
        ("19.2.0", "19.5.1", None),
        ("18.11.0", "19.2.0", None),
        ("19.2.0", "19.6.0", "19.5"),
        ("18.8.2", "19.2.0", "18.11"),
        ("17.11.4", "19.2.0", "18.2"),
    ],
)
def test_required_stops_are_not_skipped(old: str, new: str, missed: str | None) -> None:
    if missed is None:
        versions.check(old, new)
    else:
        with pytest.raises(versions.UpgradeError, match=f"latest {missed}.x version"):
            versions.check(old, new)


def test_says_when_it_is_configured_and_what_runs(installation: Installation) -> None:
    lines = (installation.root / "wrapper.log").read_text().splitlines()
    assert lines[-1] == "gitlab Reconfigured!"
    assert sum(line.startswith("  * ") for line in lines) >= 5
    status = installation.command("gitlab-ctl", "status")
    assert status.returncode == 0, status.stdout
    assert "run: puma: (pid " in status.stdout
    assert "run: sidekiq: (pid " in status.stdout


def test_health_is_for_the_whitelist_only(installation: Installation) -> None:
    assert installation.get("/-/readiness?all=1").json()["db_check"] == [{"status": "ok"}]
    assert installation.get("/-/health").text == "GitLab OK"
    assert installation.get("/-/liveness").json() == {"status": "ok"}


def test_commands_that_are_not_there_say_so(installation: Installation) -> None:
    for words in (["gitlab-ctl", "tail"], ["gitlab-rails", "console"], ["gitlab-backup", "create", "SKIP=db"]):
        done = installation.command(*words)
        assert done.returncode == 2
        assert "not supported by the lab's GitLab" in done.stderr
