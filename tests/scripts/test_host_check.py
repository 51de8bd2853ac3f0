"""What every machine is looked at for: host/scripts/check.sh, on a machine in a directory."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from components.host.checks import Finding, findings
from components.host.shell import LIBRARY, SCRIPTS
from tests.scripts.machine import Machine

PATHS = re.compile(r"(?<![\w./$}-])/(?=(etc|var|run|tmp|proc)/)")
RELEASES = {
    "Debian GNU/Linux 12 (bookworm)": 'ID=debian\nVERSION_ID="12"',
    "Debian GNU/Linux 13 (trixie)": 'ID=debian\nVERSION_ID="13"',
    "Ubuntu 22.04.5 LTS": 'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="22.04"',
    "Ubuntu 24.04.3 LTS": 'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"',
}
OTHERS = {
    "Debian GNU/Linux 11 (bullseye)": 'ID=debian\nVERSION_ID="11"',
    "Debian GNU/Linux forky/sid": "ID=debian",
    "Ubuntu 20.04.6 LTS": 'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="20.04"',
    "Ubuntu 25.10": 'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="25.10"',
    "Linux Mint 22": 'ID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_ID="22"',
    "Rocky Linux 9": 'ID="rocky"\nVERSION_ID="9.5"',
}


class Host(Machine):
    """A machine on which all is as it should be."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.release("Debian GNU/Linux 12 (bookworm)", RELEASES["Debian GNU/Linux 12 (bookworm)"])
        for directory in ("run/systemd/system", "proc", "var/lib/dpkg"):
            (self.root / directory).mkdir(parents=True)
        (self.root / "var/lib/dpkg/lock-frontend").touch()
        (self.root / "proc/locks").touch()
        self.fake("id", "if [ $1 = -u ]; then echo 0; else echo root; fi")
        self.fake("uname", "echo x86_64")
        self.free({})
        self.fake("findmnt", "case $* in *OPTIONS*) echo rw,relatime ;; *) echo /var ;; esac")
        self.fake("dpkg", "true")
        self.fake("cloud-init", "echo status: done")
        self.fake("ufw", "echo Status: inactive")

    def release(self, name: str, text: str) -> None:
        file = self.root / "etc/os-release"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f'PRETTY_NAME="{name}"\n{text}\n')

    def free(self, mebibytes: dict[str, int]) -> None:
        cases = "".join(f"{directory}) echo {size * 1024} ;; " for directory, size in mebibytes.items())
        self.fake("df", f'echo Avail; for last; do true; done; case "$last" in {cases} *) echo 9999999 ;; esac')

    def look(self, begun: str = "no") -> tuple[subprocess.CompletedProcess[str], dict[str, Finding]]:
        # In a shell of its own, as run.sh does.
        moved = PATHS.sub(f"{self.root}/", (SCRIPTS / "check.sh").read_text())
        copy = self.root / "tmp/check.sh"
        copy.write_text("".join(path.read_text() for path in LIBRARY) + f"BEGUN={begun}\n" + moved)
        result = self.run(copy, HOST_NAME="gitlab", SSH_PORT="22")
        assert result.returncode == 0, result.stderr
        assert not result.stderr
        return result, {
            finding.what: finding for finding in findings("gitlab", result.stdout.replace(str(self.root), ""))
        }


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "host")


def refused(found: dict[str, Finding]) -> set[str]:
    return {finding.what for finding in found.values() if finding.level == "refused"}


@pytest.mark.parametrize("name", RELEASES)
def test_a_machine_as_it_should_be(host: Host, name: str) -> None:
    host.release(name, RELEASES[name])
    result, found = host.look()
    assert {finding.level for finding in found.values()} == {"ok"}
    assert found["system"].found == name
    assert len(found) == len(result.stdout.splitlines()) == 7


@pytest.mark.parametrize("name", OTHERS)
def test_other_systems_are_refused_in_a_line(host: Host, name: str) -> None:
    host.release(name, OTHERS[name])
    _, found = host.look()
    assert refused(found) == {"system"}
    assert found["system"].found == name
    assert found["system"].wanted == "Debian 12 or 13, Ubuntu 22.04 or 24.04"


@pytest.mark.parametrize("directory", ["/var", "/run", "/tmp"])
def test_a_full_disk(host: Host, directory: str) -> None:
    host.free({directory: 31})
    _, found = host.look()
    assert refused(found) == {f"disk {directory}"}
    assert found[f"disk {directory}"].found == "31 MiB free"
    assert f"df -h {directory}" in found[f"disk {directory}"].fix


def test_a_small_run_is_enough(host: Host) -> None:
    host.free({"/run": 40, "/tmp": 40, "/var": 2048})
    assert not refused(host.look()[1])


def test_var_without_programs(host: Host) -> None:
    host.fake("findmnt", "case $* in *OPTIONS*) echo rw,nosuid,noexec,relatime ;; *) echo /var ;; esac")
    _, found = host.look()
    assert refused(found) == {"mount /var/lib"}
    assert "mount -o remount,exec /var" in found["mount /var/lib"].fix


def test_other_machines(host: Host) -> None:
    host.fake("id", "if [ $1 = -u ]; then echo 1000; else echo admin; fi")
    host.fake("uname", "echo armv7l")
    (host.root / "run/systemd/system").rmdir()
    host.fake("ps", "echo runit")
    _, found = host.look()
    assert refused(found) == {"user", "architecture", "init"}
    assert [found[what].found for what in ("user", "architecture", "init")] == ["admin", "armv7l", "runit"]


# As dpkg 1.21.22 prints it.
AUDIT = """cat <<'.'
The following packages are only half configured, probably due to problems
configuring them the first time.  The configuration should be retried using
dpkg --configure <package> or the configure menu option in dselect:
 helper               helper

.
"""


def test_an_interrupted_installation_of_somebodys(host: Host) -> None:
    host.fake("dpkg", AUDIT)
    _, found = host.look()
    assert refused(found) == {"packages"}
    assert found["packages"].found == "an installation that was interrupted: helper"
    assert not refused(host.look(begun="yes")[1]), "ours; install_packages finishes it"


def test_an_installation_that_goes_on_is_none_that_was_interrupted(host: Host) -> None:
    host.fake("dpkg", AUDIT)
    inode = (host.root / "var/lib/dpkg/lock-frontend").stat().st_ino
    (host.root / "proc/locks").write_text(f"1: POSIX  ADVISORY  WRITE 1811 08:01:{inode} 0 EOF\n")
    assert not refused(host.look()[1])


@pytest.mark.parametrize("packages", ["linux-base\nlibc6\n", None])
def test_a_reboot_and_cloud_init_are_told(host: Host, packages: str | None) -> None:
    (host.root / "run/reboot-required").touch()
    if packages:
        (host.root / "run/reboot-required.pkgs").write_text(packages)
    host.fake("cloud-init", "echo; echo status: running; exit 1")
    _, found = host.look()
    assert {what for what, finding in found.items() if finding.level == "warning"} == {"reboot", "cloud-init"}
    assert found["reboot"].found == ("pending: linux-base libc6" if packages else "pending:")


# --- A firewall that counts connections

LIST = """Status: active

To                         Action      From
--                         ------      ----
443/tcp                    LIMIT       Anywhere
{rules}
22/tcp (v6)                LIMIT       Anywhere (v6)
"""
LIMITED = "22/tcp                     LIMIT       Anywhere                  "


@pytest.mark.parametrize(
    ("rules", "is_refused"),
    [
        (LIMITED, True),
        ("OpenSSH                    LIMIT       Anywhere", True),
        (f"80/tcp                     ALLOW       192.0.2.7\n{LIMITED}", True),
        (f"{LIMITED}\n22/tcp                     ALLOW       192.0.2.7", True),
        (f"22/tcp                     ALLOW       192.0.2.7\n{LIMITED}", False),
        (f"Anywhere                   ALLOW       192.0.2.0/24\n{LIMITED}", False),
        ("22/tcp                     ALLOW       Anywhere", False),
    ],
)
def test_ufws_limit_is_refused_by_name(host: Host, rules: str, is_refused: bool) -> None:
    """Whoever tries again within ten seconds is never let in."""
    host.fake("ufw", f"cat <<'EOF'\n{LIST.format(rules=rules)}EOF")
    _, found = host.look()
    assert refused(found) == ({"firewall (ufw)"} if is_refused else set())
    if is_refused:
        assert "ufw insert 1 allow proto tcp from ADDRESS to any port 22" in found["firewall (ufw)"].fix
