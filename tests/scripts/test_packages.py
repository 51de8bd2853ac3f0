"""Packages that a script installs and removes: real apt and dpkg, on a machine in a directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scripts.apt_root import AptRoot, repository
from tests.scripts.machine import remembered

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="dpkg changes owners, which root alone may")

ENGINE = {"engine", "runtime", "helper", "filter"}
INSTALL = "install_packages docker engine"
REMOVE = "remove_packages docker"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture
def machine(tmp_path: Path, source: Path) -> AptRoot:
    return AptRoot(tmp_path / "machine", source)


def done(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stderr
    return result.stderr


def test_what_comes_is_remembered_and_goes_again(machine: AptRoot) -> None:
    machine.apt("install", "another")
    before = sorted(str(path) for path in machine.root.glob("etc/*.conf"))
    done(machine.script(INSTALL))
    assert machine.installed == ENGINE | {"another"}
    assert machine.remembered("docker") == ["engine", "filter auto", "helper auto", "runtime auto"]
    assert not (machine.lists / "docker.pending").exists()
    done(machine.script(INSTALL))  # nothing to do
    done(machine.script(REMOVE))
    assert machine.packages == {"another": "installed"}
    assert sorted(str(path) for path in machine.root.glob("etc/*.conf")) == before
    assert remembered(machine.state) == []


def test_what_will_come_is_remembered_before_it_comes(machine: AptRoot) -> None:
    assert machine.script(INSTALL, power_cut="helper preinst install").returncode == -9
    assert not machine.installed
    pending = (machine.lists / "docker.pending").read_text().splitlines()
    assert pending == ["engine", "filter auto", "helper auto", "runtime auto"]


def test_an_installation_never_removes(machine: AptRoot) -> None:
    machine.apt("install", "engine-ce", "another")
    before = machine.packages
    result = machine.script(INSTALL)
    assert result.returncode == 1
    assert "packages that apt would remove to install engine: engine-ce" in result.stderr
    assert machine.packages == before
    assert not (machine.lists / "docker").exists() and not (machine.lists / "docker.pending").exists()


def test_a_machine_where_removing_means_purging(machine: AptRoot) -> None:
    """apt's simulation has another word there."""
    machine.configure('APT::Get::Purge "true"; APT::Get::AutomaticRemove "true";')
    machine.apt("install", "engine-ce")
    # What a check asks beforehand.
    assert machine.script("would_go engine").stdout.split() == ["engine-ce"]
    result = machine.script(INSTALL)
    assert result.returncode == 1
    assert "packages that apt would remove to install engine: engine-ce" in result.stderr
    machine.apt("purge", "engine-ce")
    done(machine.script(INSTALL))
    machine.apt("install", "tool")
    machine.apt("install", "another")
    machine.mark("auto", "another")  # which nobody needs, and which is none of our business
    assert "leaving filter, which others need: tool" in done(machine.script(REMOVE))
    assert machine.installed == {"tool", "filter", "another"}


CUTS = ["helper preinst install", "engine preinst install", "helper postinst configure"]


@pytest.mark.parametrize("cut", CUTS)
def test_a_power_cut(machine: AptRoot, cut: str) -> None:
    """What the user installs afterwards is none of ours; the next run finishes; the removal takes away just ours."""
    assert machine.script(INSTALL, power_cut=cut).returncode == -9
    machine.dpkg("--configure", "-a")
    machine.apt("install", "another")
    assert "latest version" not in done(machine.script(INSTALL))
    assert machine.installed == ENGINE | {"another"}
    assert machine.remembered("docker") == ["engine", "filter auto", "helper auto", "runtime auto"]
    done(machine.script(REMOVE))
    assert machine.packages == {"another": "installed"}


@pytest.mark.parametrize("cut", CUTS)
def test_a_power_cut_and_a_removal(machine: AptRoot, cut: str) -> None:
    machine.apt("install", "another")
    assert machine.script(INSTALL, power_cut=cut).returncode == -9
    done(machine.script(REMOVE))
    assert machine.packages == {"another": "installed"}


def test_a_power_cut_before_what_the_user_then_installs(machine: AptRoot) -> None:
    """It was on our list, and had not come yet."""
    assert machine.script(INSTALL, power_cut="helper preinst install").returncode == -9
    assert "filter" not in machine.installed
    machine.dpkg("--configure", "-a")
    machine.apt("install", "filter")
    done(machine.script(INSTALL))
    done(machine.script(REMOVE))
    assert machine.installed >= {"filter"}
    assert not machine.installed & {"engine", "runtime"}


def test_an_installation_without_a_command_is_not_ours(machine: AptRoot) -> None:
    """Programs that use apt's library leave no command line in its history; the entry before theirs is ours."""
    assert machine.script(INSTALL, power_cut="helper preinst install").returncode == -9
    machine.dpkg("--configure", "-a")
    machine.apt("install", "filter")
    history = machine.root / "var/log/apt/history.log"
    lines = history.read_text().splitlines()
    last = max(number for number, line in enumerate(lines) if line.startswith("Commandline:"))
    history.write_text("\n".join(lines[:last] + lines[last + 1 :]) + "\n")
    done(machine.script(INSTALL))
    done(machine.script(REMOVE))
    assert "filter" in machine.installed


def test_a_package_that_fails_does_so_once(machine: AptRoot) -> None:
    """dpkg went on without it, to a package that needs it: apt does nothing more until that is mended."""
    result = machine.script(INSTALL, failing="runtime preinst install")
    assert result.returncode == 1
    assert "apt-get install engine failed" in result.stderr
    assert machine.packages["engine"] == "unpacked"
    done(machine.script("install_packages registry another"))
    assert {"another"} <= machine.installed
    done(machine.script(INSTALL))
    assert machine.installed == ENGINE | {"another"}
    done(machine.script("remove_packages registry"))
    assert "engine" in machine.installed
    done(machine.script(REMOVE))
    assert machine.packages == {}


def test_configuration_that_was_there_stays(machine: AptRoot) -> None:
    machine.apt("install", "engine", "runtime")
    machine.apt("remove", "engine", "runtime", "filter", "helper")
    kept = machine.root / "etc/engine.conf"
    kept.write_text("the user's\n")
    done(machine.script(INSTALL))
    done(machine.script(REMOVE))
    assert machine.packages == dict.fromkeys(ENGINE, "config-files")
    assert kept.read_text() == "the user's\n"


@pytest.mark.parametrize("cut", ["engine preinst install", "engine postinst configure"])
def test_configuration_that_was_there_stays_after_a_power_cut(machine: AptRoot, cut: str) -> None:
    machine.apt("install", "engine")
    machine.apt("remove", "engine")
    kept = machine.root / "etc/engine.conf"
    kept.write_text("the user's\n")
    assert machine.script(INSTALL, power_cut=cut).returncode == -9
    done(machine.script(INSTALL))
    done(machine.script(REMOVE))
    assert kept.read_text() == "the user's\n"


@pytest.mark.parametrize("cut", ["engine prerm remove", "runtime postrm remove", "helper postrm purge"])
def test_a_removal_that_is_interrupted_is_finished(machine: AptRoot, cut: str) -> None:
    machine.apt("install", "another")
    done(machine.script(INSTALL))
    assert machine.script(REMOVE, power_cut=cut).returncode == -9
    done(machine.script(REMOVE))
    assert machine.packages == {"another": "installed"}


def test_a_removal_that_fails(machine: AptRoot) -> None:
    done(machine.script(INSTALL))
    result = machine.script(REMOVE, failing="runtime prerm remove")
    assert result.returncode == 1
    assert "apt-get purge" in result.stderr and "runtime" in result.stderr
    assert machine.remembered("docker")
    done(machine.script(REMOVE))
    assert machine.packages == {}


def test_a_removal_that_cannot_be_simulated_fails(machine: AptRoot) -> None:
    done(machine.script(INSTALL))
    machine.program("apt-get", "echo E: something is wrong; exit 100")
    result = machine.script(REMOVE)
    assert result.returncode == 1
    assert "E: something is wrong" in result.stderr and "run pulumi destroy again" in result.stderr
    assert machine.remembered("docker")


def test_a_dependency_that_the_user_wants_since_stays(machine: AptRoot) -> None:
    done(machine.script(INSTALL))
    machine.apt("install", "filter")
    assert "leaving filter, which somebody asked apt for since" in done(machine.script(REMOVE))
    assert machine.packages == {"filter": "installed"}


@pytest.mark.parametrize("how", ["apt", "dpkg"])
def test_what_was_installed_anew_is_the_users(machine: AptRoot, source: Path, how: str) -> None:
    done(machine.script(INSTALL))
    machine.apt("purge", "engine")
    if how == "apt":
        machine.apt("install", "engine")
    else:
        assert machine.dpkg("-i", str(source / "engine.deb")).returncode == 0
    assert "leaving engine, which somebody installed anew since" in done(machine.script(REMOVE))
    assert machine.installed == ENGINE


def test_what_others_need_stays_and_the_rest_goes(machine: AptRoot) -> None:
    done(machine.script(INSTALL))
    machine.apt("install", "tool")
    assert "leaving filter, which others need: tool" in done(machine.script(REMOVE))
    assert machine.installed == {"tool", "filter"}


def test_nothing_comes_instead_of_what_goes(machine: AptRoot) -> None:
    done(machine.script(INSTALL))
    machine.apt("install", "chooser")
    done(machine.script(REMOVE))
    assert machine.installed == {"chooser", "filter"}


def test_two_owners_of_one_package(machine: AptRoot) -> None:
    """Both were interrupted with it on their lists."""
    assert machine.script(INSTALL, power_cut="helper preinst install").returncode == -9
    pending = machine.lists / "docker.pending"
    (machine.lists / "kubernetes.pending").write_text(pending.read_text())
    done(machine.script("install_packages kubernetes runtime"))
    done(machine.script(INSTALL))
    done(machine.script("remove_packages kubernetes"))
    assert machine.installed >= ENGINE
    done(machine.script(REMOVE))
    assert machine.packages == {}


def test_what_another_owner_needs_goes_with_that(machine: AptRoot) -> None:
    done(machine.script("install_packages kubernetes runtime"))
    done(machine.script(INSTALL))
    done(machine.script("remove_packages kubernetes"))
    assert machine.installed == ENGINE
    done(machine.script(REMOVE))
    assert machine.packages == {}


def older(machine: AptRoot, *, power_cut: str = "") -> None:
    """An installation as the releases until 7b9176a did it."""
    machine.script(
        """mkdir -p "$STATE/packages"
        dpkg-query -W -f '${db:Status-Status} ${Package}\\n' | sed -n 's/^installed //p' |
          sort -u >"$STATE/packages/docker.before"
        apt-get -q -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confold -o Acquire::Retries=3 install -y \\
          --no-install-recommends engine""",
        power_cut=power_cut,
    )


def test_an_installation_that_an_older_release_began(machine: AptRoot) -> None:
    machine.apt("install", "tool")
    older(machine, power_cut="engine postinst configure")
    machine.dpkg("--configure", "-a")
    machine.apt("install", "another")
    done(machine.script("settle docker; came_with_us docker engine; ! came_with_us docker another"))
    done(machine.script(INSTALL))
    assert not (machine.lists / "docker.before").exists()
    assert set(machine.remembered("docker")) == {"engine", "helper", "runtime"}
    done(machine.script(REMOVE))
    assert machine.installed == {"tool", "filter", "another"}


def test_lists_that_are_missing_are_fetched(machine: AptRoot) -> None:
    machine.index.unlink()
    assert "refreshing apt's package lists" in done(machine.script(INSTALL))
    assert machine.installed == ENGINE


def test_a_source_that_does_not_answer_is_told_and_no_reason_to_stop(machine: AptRoot) -> None:
    machine.index.unlink()
    with (machine.root / "etc/apt/sources.list").open("a") as sources:
        sources.write(f"deb [trusted=yes] file:{machine.root}/nowhere ./\n")
    done(machine.script(INSTALL))
    assert machine.installed == ENGINE
    result = machine.script("install_packages docker unknown")
    assert result.returncode == 1
    assert "nowhere" in result.stderr
    assert "Unable to locate package unknown" in result.stderr


def test_an_installation_of_somebodys_is_waited_for(machine: AptRoot) -> None:
    """Ubuntu's unattended-upgrades holds the lock of all frontends of dpkg for as long as it works."""
    locked = (
        "import fcntl, sys, time; lock = open(sys.argv[1], 'w'); fcntl.lockf(lock, fcntl.LOCK_EX); "
        "print(flush=True); time.sleep(3); print(time.time(), flush=True)"
    )
    command = [sys.executable, "-c", locked, str(machine.root / "var/lib/dpkg/lock-frontend")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        other.stdout.readline()
        done(machine.script(f"{INSTALL}\ndate +%s.%N >{machine.root}/installed-at"))
        assert float((machine.root / "installed-at").read_text()) > float(other.stdout.readline())
    assert machine.installed == ENGINE


@pytest.mark.parametrize("directory", ["var/lib/apt/lists", "var/cache/apt/archives"])
def test_another_apt_is_waited_for(machine: AptRoot, directory: str) -> None:
    """apt itself waits for dpkg's lock alone."""
    machine.index.unlink()
    locked = (
        "import fcntl, sys, time; lock = open(sys.argv[1], 'w'); fcntl.lockf(lock, fcntl.LOCK_EX); "
        "print(flush=True); time.sleep(20)"
    )
    command = [sys.executable, "-c", locked, str(machine.root / directory / "lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        machine.program("sleep", f"kill {other.pid}")
        result = machine.script(INSTALL)
        other.kill()
    stderr = done(result)
    assert "waiting for another apt to end" in stderr
    assert machine.installed == ENGINE


def test_no_hook_may_ask_or_restart(machine: AptRoot) -> None:
    machine.configure(f'DPkg::Post-Invoke {{ "env >{machine.root}/hook"; }};')
    done(machine.script(INSTALL))
    hook = (machine.root / "hook").read_text().splitlines()
    for line in (
        "NEEDRESTART_SUSPEND=1",
        "APT_LISTCHANGES_FRONTEND=none",
        "APT_LISTBUGS_FRONTEND=none",
        "DEBIAN_FRONTEND=noninteractive",
    ):
        assert line in hook


def test_a_machine_without_a_history(machine: AptRoot) -> None:
    machine.configure('Dir::Log::History "/dev/null";')
    done(machine.script(INSTALL))
    assert machine.remembered("docker") == ["engine", "filter auto", "helper auto", "runtime auto"]
    done(machine.script(REMOVE))
    assert machine.packages == {}


def test_an_upgrade_is_told(machine: AptRoot) -> None:
    machine.apt("install", "filter")
    status = machine.root / "var/lib/dpkg/status"
    status.write_text(status.read_text().replace("Version: 1\n", "Version: 0\n"))
    for cache in (machine.root / "var/cache/apt").glob("*.bin"):
        cache.unlink()  # apt would not see a change within a second
    stderr = done(machine.script("install_packages docker newer"))
    assert "this also brings to their latest version: filter" in stderr
    assert machine.remembered("docker") == ["newer"]
    done(machine.script(REMOVE))
    assert machine.installed == {"filter"}


def test_a_package_that_somebodys_replaced_is_not_purged(machine: AptRoot) -> None:
    """As docker-ce docker.io: apt removed ours for it, which is `config-files` then; its purge runs its postrm."""
    done(machine.script(INSTALL))
    machine.apt("install", "engine-ce")
    assert machine.packages["engine"] == "config-files"
    done(machine.script("remove_packages docker"))
    assert machine.packages.get("engine") == "config-files"
