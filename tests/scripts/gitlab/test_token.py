"""The administrator's token for GitLab's API: made, kept, renewed, revoked, and never shown."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from tests.scripts.gitlab.server import SCRIPTS, TOKEN
from tests.scripts.machine import Machine


def fake_gitlab(machine: Machine, accepts: str = ".*") -> None:
    """GitLab that knows the tokens of `tokens`, and takes those that match."""
    root = machine.root
    machine.fake(
        "docker",
        f"""case "$*" in
        *inspect*) echo true ;;
        *runner*) ruby=$(cat); printf '%s\\n' "$ruby" >>{root}/ruby
          grep -oE 'set_token\\(.*' <<<"$ruby" | grep -oE 'glpat-[0-9a-f]+' >>{root}/tokens || true ;;
        esac""",
    )
    machine.fake(
        "curl",
        f"""token=$(sed -n 's/.*TOKEN: \\(.*\\)"/\\1/p')
        if [ -n "$token" ] && grep -qx "$token" {root}/tokens 2>/dev/null && [[ $token =~ {accepts} ]]; then printf 200
        else printf 401; fi""",
    )


def test_token_is_made_proven_and_kept(machine: Machine) -> None:
    fake_gitlab(machine)
    done = machine.run(SCRIPTS / "token.sh")
    token = done.stdout.strip()
    assert done.returncode == 0, done.stderr
    assert len(token) == len(TOKEN)
    ruby = (machine.root / "ruby").read_text()
    expires = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=180)
    assert f"set_token('{token}')" in ruby and f"expires_at: '{expires}'" in ruby
    kept = Path(machine.variables["DATA"], "auto-devops/token")
    assert kept.read_text() == f"7 180 {token}\n"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert not [call for call in machine.calls if token in call], "on a command line, where ps shows it"
    assert token not in done.stderr


def test_token_is_the_same_in_the_same_period(machine: Machine) -> None:
    fake_gitlab(machine)
    first = machine.run(SCRIPTS / "token.sh").stdout
    assert machine.run(SCRIPTS / "token.sh").stdout == first
    assert (machine.root / "ruby").read_text().count("set_token") == 1


@pytest.mark.parametrize("change", [{"PERIOD": "8"}, {"DAYS": "90"}])
def test_token_is_renewed_in_another_period(machine: Machine, change: dict[str, str]) -> None:
    fake_gitlab(machine)
    first = machine.run(SCRIPTS / "token.sh").stdout
    second = machine.run(SCRIPTS / "token.sh", **change)
    assert second.returncode == 0 and second.stdout != first
    assert "revoke" not in (machine.root / "ruby").read_text(), "the old one is still in the stack's state"


def test_a_renewed_token_is_of_the_kept_ones_owner(machine: Machine) -> None:
    """Whatever the administrator is called."""
    fake_gitlab(machine)
    first = machine.run(SCRIPTS / "token.sh").stdout.strip()
    assert "find_by_token('none')" in (machine.root / "ruby").read_text()
    machine.run(SCRIPTS / "token.sh", PERIOD="8")
    ruby = (machine.root / "ruby").read_text()
    assert f"find_by_token('{first}')" in ruby and "'root'" not in ruby
    machine.fake("docker", "cat; exit 1")
    failed = machine.run(SCRIPTS / "token.sh", PERIOD="9")
    assert failed.returncode == 1 and "glpat-" not in failed.stderr


def test_token_that_gitlab_no_longer_takes_is_replaced(machine: Machine) -> None:
    fake_gitlab(machine)
    first = machine.run(SCRIPTS / "token.sh").stdout
    (machine.root / "tokens").write_text("")
    second = machine.run(SCRIPTS / "token.sh")
    assert second.returncode == 0 and second.stdout != first
    assert "GitLab refuses the access token" in second.stderr


def test_token_that_is_refused_is_not_kept(machine: Machine) -> None:
    fake_gitlab(machine, accepts="nothing")
    done = machine.run(SCRIPTS / "token.sh")
    assert (done.returncode, done.stdout) == (1, "")
    assert "a new access token that GitLab's API refuses" in done.stderr
    assert not Path(machine.variables["DATA"], "auto-devops/token").exists()


def test_failed_ruby_does_not_tell_the_token(machine: Machine) -> None:
    fake_gitlab(machine)
    machine.fake("docker", "cat; exit 1")
    done = machine.run(SCRIPTS / "token.sh")
    assert done.returncode == 1
    assert "set_token('[hidden]')" in done.stderr and "glpat-" not in done.stderr


def test_older_tokens_are_revoked_by_the_kept_one(machine: Machine) -> None:
    fake_gitlab(machine)
    Path(machine.variables["DATA"], "auto-devops/token").write_text(f"7 180 {TOKEN}\n")
    done = machine.run(SCRIPTS / "revoke.sh")
    assert done.returncode == 0, done.stderr
    assert f"find_by_token('{TOKEN}')" in (machine.root / "ruby").read_text()


@pytest.mark.parametrize(("keep", "revoked"), [("true", True), ("false", False)])
def test_the_token_ends_with_the_stack(machine: Machine, keep: str, revoked: bool) -> None:
    fake_gitlab(machine)
    kept = Path(machine.variables["DATA"], "auto-devops/token")
    kept.write_text(f"7 180 {TOKEN}\n")
    assert machine.run(SCRIPTS / "token-remove.sh", KEEP_DATA=keep).returncode == 0
    assert not kept.exists()
    assert (machine.root / "ruby").exists() is revoked
