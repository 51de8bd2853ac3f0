"""Name servers and resolvers that somebody else has on a machine."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from components.host.checks import Finding
from tests.scripts.machine import ROOT
from tests.scripts.rooted import Rooted, refused

SCRIPTS = ROOT / "components/dns/scripts"
CHECK, RESOLVER_CHECK = SCRIPTS / "check.sh", SCRIPTS / "resolver-check.sh"
ZONE = {"HOST_NAME": "dns", "DOMAIN": "devops.example.com", "SERVER": "10.0.0.11"}
CONFFILES = ("etc/bind/named.conf", "etc/bind/named.conf.local", "etc/bind/named.conf.options", "etc/default/named")


@pytest.fixture
def machine(tmp_path: Path) -> Rooted:
    return Rooted(tmp_path / "machine")


def bind(machine: Rooted, status: str = "installed") -> None:
    """A BIND as its package brings it, with a key of its own."""
    lines = []
    for path in CONFFILES:
        file = machine.write(path, f"the package's {path}\n")
        lines.append(f" {file} {hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()}")
    machine.write("etc/bind/rndc.key", "secret")
    listing = "\\n".join(lines)
    known = "|".join(str(machine.root / path) for path in CONFFILES)
    machine.fake(
        "dpkg-query",
        f"""case "$*" in
        *Conffiles*bind9) printf '{listing}\\n' ;;
        *Status*bind9) printf {status} ;;
        "-S "*) [[ "$2" =~ ^({known})$ ]] ;;
        *) false ;;
        esac""",
    )


def zone_check(machine: Rooted, **changes: str) -> list[Finding]:
    return machine.check(CHECK, **ZONE, **changes)


def test_nobody_else_serves_names(machine: Rooted) -> None:
    assert zone_check(machine) == []


@pytest.mark.parametrize("status", ["installed", "config-files"])
def test_a_bind_as_its_package_brings_it(machine: Rooted, status: str) -> None:
    bind(machine, status)
    assert zone_check(machine) == []


@pytest.mark.parametrize("path", [*CONFFILES, "etc/bind/db.corp.example", "var/lib/bind/db.dynamic"])
@pytest.mark.parametrize("status", ["installed", "config-files"])
def test_a_bind_with_something_of_its_own(machine: Rooted, path: str, status: str) -> None:
    bind(machine, status)
    file = machine.write(path, 'zone "corp.example" { type primary; file "db.corp.example"; };\n')
    assert refused(zone_check(machine)) == [f"BIND: a BIND with a configuration of its own: {file}"]
    assert zone_check(machine, BEGUN="yes") == [], "by then it has the stack's"


@pytest.mark.parametrize(
    ("address", "program", "protocol", "taken"),
    [
        ("127.0.0.1", "dnsmasq", "u", True),
        ("0.0.0.0", "unbound", "t", True),
        ("*", "pdns_server", "t", True),
        ("10.0.0.11", "dnsmasq", "u", True),
        ("127.0.0.53%lo", "systemd-resolve", "u", False),
        ("192.168.122.1", "dnsmasq", "u", False),
        ("10.0.0.111", "dnsmasq", "u", False),
        ("10.0.0.11", "named", "u", False),
    ],
)
def test_port_53(machine: Rooted, address: str, program: str, protocol: str, taken: bool) -> None:
    machine.listens(53, address, program, protocol)
    expected = [f"port 53: in use: {program} ({program}.service) at {address}:53"] if taken else []
    assert refused(zone_check(machine)) == expected


def test_what_is_nobodys_of_us_outlives_the_name_server(machine: Rooted) -> None:
    machine.write("var/lib/auto-devops/packages/dns", "bind9\n")
    machine.write("var/lib/dpkg/status")
    machine.write("var/cache/bind/managed-keys.bind")
    ours = machine.write("etc/bind/auto-devops/zone")
    theirs = [machine.write("etc/bind/db.corp.example"), machine.write("var/cache/bind/slaves/corp")]
    machine.fake("apt-mark", "true")
    result = machine.step(SCRIPTS / "remove.sh")
    assert result.returncode == 0, result.stderr
    assert all(file.exists() for file in theirs)
    assert not ours.parent.exists() and not (machine.root / "var/cache/bind/managed-keys.bind").exists()
    for file in theirs:
        file.unlink()
    (machine.root / "var/cache/bind/slaves").rmdir()
    assert machine.step(SCRIPTS / "remove.sh").returncode == 0
    assert not (machine.root / "etc/bind").exists() and not (machine.root / "var/cache/bind").exists()


def test_a_bind_that_somebody_installed_anew_goes_on(machine: Rooted) -> None:
    """It stays, and so does its service."""
    machine.write("var/lib/auto-devops/packages/dns", "bind9\n")
    machine.write("var/lib/dpkg/status")
    bind(machine)
    machine.fake("apt-mark", "true")
    history = machine.write("history.log", "Start-Date: 1\nCommandline: apt install bind9\nInstall: bind9:amd64 (1)\n")
    machine.fake("apt-config", f"echo \"history='{history}'\"")
    machine.fake("zcat", 'cat "$2"')
    machine.fake("systemctl", "true")
    result = machine.step(SCRIPTS / "remove.sh")
    assert result.returncode == 0 and "leaving bind9" in result.stderr, result.stderr
    named = [call for call in machine.calls if call.startswith("systemctl") and " named" in call and "-q" not in call]
    assert named == ["systemctl stop named", "systemctl restart named"]


RESOLVER = {"HOST_NAME": "k8s", "SERVER": "10.0.0.11", "DOMAIN": "devops.example.com"}


def resolver_check(machine: Rooted) -> list[Finding]:
    return machine.check(RESOLVER_CHECK, **RESOLVER)


@pytest.fixture
def asking(machine: Rooted) -> Rooted:
    """A machine that asks somebody."""
    machine.write("etc/resolv.conf", "nameserver 192.0.2.1\n")
    machine.write("proc/self/mountinfo", "")
    machine.fake("getent", "echo 10.0.0.11")
    return machine


def test_a_plain_resolv_conf(asking: Rooted) -> None:
    assert resolver_check(asking) == []


def test_a_resolv_conf_that_nobody_may_change(asking: Rooted) -> None:
    asking.fake("lsattr", 'echo "----i---------e------- $2"')
    assert "that nobody may change (chattr +i)" in refused(resolver_check(asking))[0]


def test_a_resolv_conf_that_is_mounted(asking: Rooted) -> None:
    asking.write("proc/self/mountinfo", f"1 2 8:1 /x {asking.root}/etc/resolv.conf rw - ext4 /dev/sda rw\n")
    assert "that somebody has mounted" in refused(resolver_check(asking))[0]


def test_others_who_keep_writing_it(asking: Rooted) -> None:
    asking.write("etc/resolv.conf", "# resolv.conf(5) file generated by tailscale\nnameserver 100.100.100.100\n")
    assert "tailscaled keeps writing" in refused(resolver_check(asking))[0]
    asking.write("etc/resolv.conf")
    asking.write("etc/cloud/cloud.cfg.d/50-dns.cfg", "manage_resolv_conf: true\n")
    assert "cloud-init, which writes" in refused(resolver_check(asking))[0]
    asking.fake("systemctl", "true")
    asking.write("etc/resolv.conf", "nameserver 127.0.0.53\n")
    assert resolver_check(asking) == [], "systemd-resolved has its own way"


def resolver(machine: Rooted, step: str = "resolver") -> subprocess.CompletedProcess[str]:
    result = machine.step(SCRIPTS / f"{step}.sh", **RESOLVER)
    assert result.returncode == 0, result.stderr
    return result


@pytest.mark.parametrize("state", ["active", "activating"])
@pytest.mark.parametrize(
    ("answer", "knows"), [("lookup ns on 192.0.2.1:53: no such host", False), ("connection refused", True)]
)
def test_an_engine_that_started_before_is_asked_whether_it_knows(
    asking: Rooted, state: str, answer: str, knows: bool
) -> None:
    """Debian 12's goes by its first resolvers for five seconds from its first look-up on: a pipeline's pulls fail."""
    asking.fake("systemctl", f'case "$*" in *ActiveState*docker) echo {state} ;; *) false ;; esac')
    asking.fake("docker", f"echo '{answer}' >&2; exit 1")
    assert ("does not ask 10.0.0.11 yet" in resolver(asking).stderr) != knows
    assert "docker pull --quiet ns.devops.example.com/auto-devops" in asking.calls


def test_without_an_engine_nobody_is_asked(asking: Rooted) -> None:
    asking.fake("systemctl", 'case "$*" in *ActiveState*docker) echo inactive ;; *) false ;; esac')
    asking.fake("docker", "false")
    resolver(asking)
    assert not [call for call in asking.calls if call.startswith("docker")]


def resolved(machine: Rooted) -> None:
    """systemd-resolved runs there."""
    machine.fake("systemctl", 'case "$*" in *is-active*systemd-resolved*) true ;; *is-active*) false ;; esac')


@pytest.mark.parametrize("link", ["stub-resolv.conf", "resolv.conf"])
def test_systemd_resolved_is_told_in_its_own_way(asking: Rooted, link: str) -> None:
    """As on Ubuntu, whose netplan leaves names to it, and on Debian's cloud images."""
    resolved(asking)
    asking.write(f"run/systemd/resolve/{link}", "nameserver 192.0.2.1\n")
    (asking.root / "etc/resolv.conf").unlink()
    (asking.root / "etc/resolv.conf").symlink_to(f"../run/systemd/resolve/{link}")
    before = asking.snapshot()
    for _ in range(2):
        resolver(asking)
    assert asking.calls.count("systemctl restart systemd-resolved") == 1
    dropin = asking.root / "etc/systemd/resolved.conf.d/auto-devops.conf"
    assert "DNS=10.0.0.11\nDomains=~.\n" in dropin.read_text()
    assert asking.snapshot().keys() - before.keys() == {"etc/systemd/resolved.conf.d/auto-devops.conf"}
    resolver(asking, "unresolver")
    assert asking.snapshot() == before and not dropin.parent.exists()


def test_a_removal_that_was_ended_before_it_was_read_goes_on(asking: Rooted) -> None:
    """The file was gone by the next run, and systemd-resolved asked a name server that was gone, too."""
    resolved(asking)
    resolver(asking)
    systemctl = (asking.root / "bin/systemctl").read_text()
    asking.fake("systemctl", f'case "$*" in *restart*) exit 1 ;; esac\n{systemctl}')
    assert asking.step(SCRIPTS / "unresolver.sh", **RESOLVER).returncode == 1
    (asking.root / "bin/systemctl").write_text(systemctl)
    calls = len(asking.calls)
    for restarts in (1, 0):
        resolver(asking, "unresolver")
        restarted = [call for call in asking.calls[calls:] if "restart" in call and "resolved" in call]
        assert len(restarted) == restarts
        calls = len(asking.calls)


def test_a_systemd_resolved_that_nobody_asks(asking: Rooted) -> None:
    """Its package came with something else, and /etc/resolv.conf is a file still: programs go by that."""
    resolved(asking)
    before = asking.snapshot()
    assert resolver_check(asking) == []
    asking.fake("lsattr", 'echo "----i---------e------- $2"')
    assert "that nobody may change (chattr +i)" in refused(resolver_check(asking))[0]
    asking.fake("lsattr", "true")
    for _ in range(2):
        resolver(asking)
    assert "nameserver 10.0.0.11" in (asking.root / "etc/resolv.conf").read_text()
    resolver(asking, "unresolver")
    assert asking.snapshot() == before


HOOKS = """
skip_hooks=
for hook in {root}/etc/dhcpcd.enter-hook {root}/hooks/20-resolv.conf; do
  for skip in $skip_hooks; do
    case "$hook" in */[0-9][0-9]"-$skip") continue 2 ;; esac
  done
  if [ -f "$hook" ]; then . "$hook"; fi
done
"""
"""What dhcpcd 10 does with its hooks at each lease (hooks/dhcpcd-run-hooks.in), as far as it matters."""


@pytest.mark.parametrize("own", ["", "theirs=1\n"])
def test_dhcpcd_leaves_resolv_conf_alone(asking: Rooted, own: str) -> None:
    """Debian 13's client; somebody may have a hook already."""
    asking.fake("dhcpcd", "true")
    asking.write("hooks/20-resolv.conf", f'echo "nameserver 192.0.2.1" >{asking.root}/etc/resolv.conf\n')
    if own:
        asking.write("etc/dhcpcd.enter-hook", own)
    before = asking.snapshot()
    lease = asking.root / "tmp/lease.sh"
    lease.write_text(HOOKS.format(root=asking.root))
    for _ in range(2):
        resolver(asking)
    assert asking.program(lease).returncode == 0
    assert "nameserver 10.0.0.11" in (asking.root / "etc/resolv.conf").read_text()
    asking.write("etc/dhcpcd.enter-hook", (asking.root / "etc/dhcpcd.enter-hook").read_text() + "later=1\n")
    resolver(asking, "unresolver")
    assert (asking.root / "etc/dhcpcd.enter-hook").read_text() == own + "later=1\n"
    asking.write("etc/dhcpcd.enter-hook", own) if own else (asking.root / "etc/dhcpcd.enter-hook").unlink()
    assert asking.snapshot() == before
    asking.program(lease)
    assert (asking.root / "etc/resolv.conf").read_text() == "nameserver 192.0.2.1\n"


def test_a_dhcpcd_that_has_the_file_for_itself_goes_on_with_it(asking: Rooted) -> None:
    """Debian 13's service has /etc/resolv.conf mounted for itself; of another file by that name it would not know."""
    asking.fake("dhcpcd", "true")
    asking.fake("systemctl", 'case "$*" in *is-active*dhcpcd*) ;; *is-active*) false ;; esac')
    file = asking.root / "etc/resolv.conf"
    before, inode = asking.snapshot(), file.stat().st_ino
    for _ in range(2):
        resolver(asking)
        assert file.read_text().endswith("nameserver 10.0.0.11\n")
        assert file.stat().st_ino == inode
    resolver(asking, "unresolver")
    assert asking.snapshot() == before and file.stat().st_ino == inode
    # A link leads elsewhere, and comes back as one.
    file.unlink()
    file.symlink_to("../run/resolv.conf")
    linked = asking.write("run/resolv.conf", "nameserver 192.0.2.1\n")
    for _ in range(2):
        resolver(asking)
    resolver(asking, "unresolver")
    assert file.readlink() == Path("../run/resolv.conf") and linked.read_text() == "nameserver 192.0.2.1\n"


def test_openresolv_asks_it_first(asking: Rooted) -> None:
    theirs = asking.write("etc/resolvconf.conf", 'name_servers="192.0.2.9"\n')
    asking.fake(
        "resolvconf",
        f'. {theirs}; for server in $name_servers; do echo "nameserver $server"; done >{asking.root}/etc/resolv.conf',
    )
    before = asking.snapshot()
    for _ in range(2):
        resolver(asking)
    assert (asking.root / "etc/resolv.conf").read_text() == "nameserver 10.0.0.11\nnameserver 192.0.2.9\n"
    assert asking.calls.count("resolvconf -u") == 1
    resolver(asking, "unresolver")
    assert theirs.read_text() == before["etc/resolvconf.conf"]
    assert (asking.root / "etc/resolv.conf").read_text() == "nameserver 192.0.2.9\n"
