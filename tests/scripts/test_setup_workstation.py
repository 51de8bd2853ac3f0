"""The set-up of a person's computer: what is theirs comes back as it was, or stays as they have it by now."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tools import setup_workstation as setup

OUTPUTS = {
    "domain": "devops.example.com",
    "caCertificate": "PEM",
    "dockerEndpoint": "tcp://docker.devops.example.com:2376",
    "dockerClient": {"ca": "a", "certificate": "b", "key": "c"},
}
DOCKER = """#!/bin/sh
# Contexts as docker keeps them: a file for each, and the name of the current one. As 20.10, it has no `context show`.
cd "$HOME/contexts" || exit 1
case "$2 $3" in
"inspect --format") if [ -n "$DOCKER_HOST" ]; then echo default; else cat current; fi; exit ;;
esac
case "$2" in
inspect | use) test -e "$3" || exit 1; test "$2" = inspect || echo "$3" >current ;;
create | update) touch "$3" ;;
rm) rm -f "$4" ;;
*) exit 1 ;;
esac
"""


@pytest.fixture
def resolver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """/etc/resolv.conf of a computer without systemd-resolved."""
    file = tmp_path / "resolv.conf"
    monkeypatch.setattr(setup, "RESOLV_CONF", file)
    monkeypatch.setattr(setup, "RESOLV_CONF_KEPT", tmp_path / "kept")
    monkeypatch.setattr(setup, "RESOLVED", tmp_path / "resolved.conf.d/auto-devops.conf")
    inactive = SimpleNamespace(returncode=3)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: inactive)
    return file


def use(server: str = "10.0.0.1") -> None:
    setup.use_resolver(server, "devops.example.com")


def test_a_file_comes_back_byte_for_byte(resolver: Path) -> None:
    resolver.write_bytes(b"# mine\nnameserver 192.0.2.1")
    resolver.chmod(0o640)
    before = resolver.stat()
    use()
    assert "nameserver 10.0.0.1\n" in resolver.read_text()
    use()
    use("10.0.0.2")
    setup.forget_resolver()
    assert resolver.read_bytes() == b"# mine\nnameserver 192.0.2.1"
    after = resolver.stat()
    assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
    assert not setup.RESOLV_CONF_KEPT.exists()


@pytest.mark.parametrize("dangling", [False, True])
def test_a_link_comes_back_as_a_link(resolver: Path, tmp_path: Path, dangling: bool) -> None:
    target = tmp_path / "run/resolv.conf"
    if not dangling:
        target.parent.mkdir()
        target.write_text("nameserver 192.0.2.1\n")
    resolver.symlink_to(target)
    use()
    assert dangling or target.read_text() == "nameserver 192.0.2.1\n"
    setup.forget_resolver()
    assert resolver.readlink() == target


def test_what_somebody_wrote_since_stays(resolver: Path, capsys: pytest.CaptureFixture[str]) -> None:
    resolver.write_text("nameserver 192.0.2.1\n")
    use()
    resolver.write_text("nameserver 192.0.2.2\n")
    setup.forget_resolver()
    assert resolver.read_text() == "nameserver 192.0.2.2\n"
    assert "was changed since and stays" in capsys.readouterr().out
    # And that is what the next set-up and its removal go back to.
    use()
    setup.forget_resolver()
    assert resolver.read_text() == "nameserver 192.0.2.2\n"


def test_killed_between_the_two_steps(resolver: Path) -> None:
    resolver.write_text("nameserver 192.0.2.1\n")
    resolver.rename(setup.RESOLV_CONF_KEPT)
    setup.forget_resolver()
    assert resolver.read_text() == "nameserver 192.0.2.1\n"
    resolver.rename(setup.RESOLV_CONF_KEPT)
    use()
    setup.forget_resolver()
    assert resolver.read_text() == "nameserver 192.0.2.1\n"


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> setup.User:
    """Somebody whose current Docker context is one of their own."""
    contexts = tmp_path / "contexts"
    contexts.mkdir()
    (contexts / "default").touch()
    (contexts / "mine").touch()
    (contexts / "current").write_text("mine\n")
    program = tmp_path / "bin/docker"
    program.parent.mkdir()
    program.write_text(DOCKER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    return setup.User("me", tmp_path, os.getuid(), os.getgid())


def current(user: setup.User) -> str:
    return (user.home / "contexts/current").read_text().strip()


def add(user: setup.User) -> None:
    setup.add_context("tcp://docker.devops.example.com:2376", {"ca": "a", "certificate": "b", "key": "c"}, user)


def test_the_context_from_before_comes_back(user: setup.User) -> None:
    add(user)
    add(user)
    assert current(user) == setup.NAME
    setup.remove_context(user)
    assert current(user) == "mine"
    assert not setup.context_directory(user).exists()
    assert not (user.home / "contexts" / setup.NAME).exists()


def test_a_context_that_somebody_chose_since_stays(user: setup.User) -> None:
    add(user)
    (user.home / "contexts/current").write_text("default\n")
    setup.remove_context(user)
    assert current(user) == "default"


def test_a_context_that_is_gone_is_not_waited_for(user: setup.User) -> None:
    add(user)
    (user.home / "contexts/mine").unlink()
    setup.remove_context(user)
    assert current(user) == "default"


def test_docker_host_is_told_and_is_not_the_context_from_before(
    user: setup.User, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.9:2375")
    add(user)
    assert "DOCKER_HOST=tcp://192.0.2.9:2375 is set, and wins" in capsys.readouterr().out
    assert (setup.context_directory(user) / setup.PREVIOUS_CONTEXT).read_text() == "mine\n"


CERTUTIL = """#!/bin/sh
# A database is a folder with cert9.db; each of its lines is a certificate's name.
folder=${3#sql:}
case "$1" in
-N) : >"$folder/cert9.db" ;;
-A) grep -qx "$5" "$folder/cert9.db" || echo "$5" >>"$folder/cert9.db" ;;
-D) sed -i "/^$5$/d" "$folder/cert9.db" ;;
esac
"""
PLACES = [
    ".pki/nssdb",
    ".local/share/pki/nssdb",
    "snap/chromium/current/.pki/nssdb",
    ".mozilla/firefox/abc.default",
    "snap/firefox/common/.mozilla/firefox/abc.default",
    ".var/app/org.mozilla.firefox/.mozilla/firefox/abc.default",
]


@pytest.fixture
def store(user: setup.User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's trust store, and `certutil` with the arguments in the order that the script has."""
    program = user.home / "bin/certutil"
    program.write_text(CERTUTIL)
    program.chmod(0o755)
    monkeypatch.setattr(setup, "STORES", (setup.Store(user.home / "certificates", ("true",)),))


def certificates(user: setup.User, place: str) -> list[str]:
    return (user.home / place / "cert9.db").read_text().split()


@pytest.mark.usefixtures("store")
def test_every_browser_trusts_and_forgets(user: setup.User) -> None:
    for place in PLACES:
        (user.home / place).mkdir(parents=True)
        (user.home / place / "cert9.db").write_text("mine\n")
    setup.trust("PEM", user)
    setup.trust("PEM", user)
    assert {tuple(certificates(user, place)) for place in PLACES} == {("mine", setup.NAME)}
    setup.distrust(user)
    assert {tuple(certificates(user, place)) for place in PLACES} == {("mine",)}


@pytest.mark.usefixtures("store")
def test_chromiums_newer_database_is_not_hidden_by_an_older_one(user: setup.User) -> None:
    """Where ~/.pki/nssdb is, Chromium looks at nothing else."""
    newer = user.home / PLACES[1]
    newer.mkdir(parents=True)
    (newer / "cert9.db").write_text("mine\n")
    setup.trust("PEM", user)
    assert not (user.home / PLACES[0]).exists()
    assert certificates(user, PLACES[1]) == ["mine", setup.NAME]


@pytest.mark.usefixtures("store")
def test_without_any_there_is_one_that_every_chromium_reads(user: setup.User) -> None:
    setup.trust("PEM", user)
    assert certificates(user, PLACES[0]) == [setup.NAME]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_outputs_are_read_as_they_are_written(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PowerShell 5.1 writes what a command prints into a file as UTF-16 with its mark."""
    mark = "\ufeff" if encoding == "utf-16-le" else ""
    given = io.TextIOWrapper(io.BytesIO(f"{mark}{json.dumps(OUTPUTS)}".encode(encoding)))
    monkeypatch.setattr(sys, "stdin", given)
    assert setup.read_outputs() == OUTPUTS


@pytest.mark.parametrize("given", ["", "no JSON", json.dumps({**OUTPUTS, "dockerClient": "[secret]"})])
def test_what_is_no_output_is_told_with_the_command(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode())))
    with pytest.raises(setup.SetupError, match=r"pulumi stack output --json --show-secrets"):
        setup.read_outputs()
