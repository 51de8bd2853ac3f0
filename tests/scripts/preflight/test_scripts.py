"""The preflight's own scripts, with stand-ins for the programs that they call."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
from pathlib import Path

import pytest

from components.host import Finding, findings
from components.host.shell import looking
from preflight.plan import SCRIPTS
from settings import machines
from tests.scripts.machine import ROOT, Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine called dns."""
    made = Machine(tmp_path / "machine")
    made.variables = {"HOST_NAME": "dns"}
    return made


def found(machine: Machine, script: str, **variables: str) -> list[Finding]:
    """What a script finds."""
    done = machine.run(SCRIPTS / script, **variables)
    assert done.returncode == 0, done.stderr
    return findings("dns", done.stdout)


def changed(machine: Machine, script: str, *replacements: tuple[str, str]) -> Path:
    """A script with other paths in it."""
    path = SCRIPTS / script
    text = path.read_text()
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    copy = machine.root / script
    copy.write_text(text)
    return copy


def test_memory(machine: Machine) -> None:
    wants = {"PARTS": "GitLab and BIND", "WANTED": "8320"}
    (fine,) = found(machine, "memory.sh", LEAST="1", **wants)
    assert fine.level == "ok"
    (less,) = found(machine, "memory.sh", LEAST="99000000", **wants)
    assert (less.level, less.wanted) == ("refused", "8320 MiB for GitLab and BIND")


def test_ports(machine: Machine) -> None:
    """One that answers, one that nobody has, and one that a firewall drops: `timeout` ends that."""
    machine.fake("timeout", 'shift; case "$*" in *192.0.2.9*) exit 124 ;; *) exec "$@" ;; esac')
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        lines = [
            f"127.0.0.1|{server.getsockname()[1]}|registry|published|the registry",
            f"127.0.0.1|{unused.getsockname()[1]}|k8s|own|the cluster's API",
            "192.0.2.9|53|other|own|names",
            "192.0.2.9|443|other|published|GitLab",
        ]
        seen = found(machine, "ports.sh", PORTS="\n".join(lines))
    assert [(each.level, each.found) for each in seen] == [
        ("ok", "answers"),
        ("ok", "nobody listens there yet"),
        ("refused", "no answer within 3 s"),
        ("warning", "no answer within 3 s"),
    ]
    assert seen[2].what == "port 53 of other" and "open TCP 53 from dns to 192.0.2.9" in seen[2].fix


def test_a_firewall_that_says_no(machine: Machine) -> None:
    machine.fake("timeout", 'echo "bash: connect: No route to host" >&2; exit 1')
    (seen,) = found(machine, "ports.sh", PORTS="192.0.2.9|53|other|own|names")
    assert (seen.level, seen.found) == ("refused", "No route to host")


SOURCES = (
    'registry|https://hub.example:5000/v2/|mirrors.images["docker.io"] '
    "file|https://k8s.example/@ARCHITECTURE@/kubeadm.sha256|mirrors.kubernetes"
)


def curl(machine: Machine, hub: str, file: str) -> None:
    """A curl that does these for the two sources."""
    machine.fake("curl", f'case "$*" in *hub.example*) {hub} ;; *) {file} ;; esac')
    machine.fake("uname", "echo x86_64")
    machine.fake("systemctl", "exit 1")  # neither engine is there


@pytest.mark.parametrize(
    ("hub", "file", "levels"),
    [
        ("echo 401", "echo 200", ["ok", "ok"]),
        ("echo 429", "echo 206", ["ok", "ok"]),
        ("echo 404", "echo 404", ["refused", "refused"]),
        ("echo 'curl: (6) Could not resolve host: hub.example' >&2; exit 6", "echo 200", ["refused", "ok"]),
        ("echo 'curl: (28) Connection timed out' >&2; exit 28", "echo 503", ["refused", "refused"]),
    ],
)
def test_sources(machine: Machine, hub: str, file: str, levels: list[str]) -> None:
    curl(machine, hub, file)
    seen = found(machine, "sources.sh", SOURCES=SOURCES)
    assert [each.level for each in seen] == levels
    assert [each.what for each in seen] == ["download from hub.example", "download from k8s.example"]
    for each, setting in zip(seen, ('mirrors.images["docker.io"]', "mirrors.kubernetes"), strict=True):
        assert each.level == "ok" or setting in each.fix
    assert any("https://k8s.example/amd64/kubeadm.sha256" in call for call in machine.calls)


def test_words_of_curl_are_told(machine: Machine) -> None:
    curl(machine, "echo 'curl: (6) Could not resolve host: hub.example' >&2; exit 6", "echo 404")
    seen = found(machine, "sources.sh", SOURCES=SOURCES)
    assert seen[0].found == "https://hub.example:5000/v2/: Could not resolve host: hub.example"
    assert seen[1].found.endswith("kubeadm.sha256: HTTP status 404")


def test_a_mirrors_own_ca_is_no_hindrance(machine: Machine) -> None:
    only_with = 'case "$*" in *--cacert*) echo 200 ;; *) echo "curl: (60) SSL certificate problem" >&2; exit 60 ;; esac'
    curl(machine, only_with, only_with)
    assert [each.level for each in found(machine, "sources.sh", SOURCES=SOURCES, CA="PEM")] == ["ok", "ok"]
    assert [each.level for each in found(machine, "sources.sh", SOURCES=SOURCES)] == ["refused", "refused"]


def test_an_engines_proxy_is_used(machine: Machine) -> None:
    curl(machine, "echo 200", "echo 200")
    machine.fake("systemctl", "echo 'Environment=A=b HTTPS_PROXY=http://proxy.corp:3128'")
    found(machine, "sources.sh", SOURCES=SOURCES)
    assert all("-x http://proxy.corp:3128" in call for call in machine.calls if call.startswith("curl"))


def test_without_curl_the_port_is_tried(machine: Machine) -> None:
    machine.fake("systemctl", "exit 1")
    script = changed(machine, "sources.sh", ("command -v curl", "command -v no-curl-here"))
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        ports = server.getsockname()[1], unused.getsockname()[1]
        words = [f"registry|https://127.0.0.1:{port}/v2/|x" for port in ports]
        done = machine.run(script, SOURCES=" ".join([*words, "file|https://nowhere.invalid/x|x"]))
    assert [(each.level, each.found.partition(": ")[2]) for each in findings("dns", done.stdout)] == [
        ("ok", "reached; not asked further, as there is no curl"),
        ("refused", f"no connection to 127.0.0.1 port {ports[1]}"),
        ("refused", "Could not resolve host: nowhere.invalid"),
    ]


def test_what_has_begun_is_only_warned_of(machine: Machine) -> None:
    """The resource's own removal is on the machine then (host/scripts/run.sh)."""
    curl(machine, "echo 404", "echo 404")
    text = (SCRIPTS / "sources.sh").read_text()
    begun = machine.root / "begun.sh"
    begun.write_text("BEGUN=yes\n" + text)
    done = machine.run(begun, SOURCES=SOURCES)
    assert [each.level for each in findings("dns", done.stdout)] == ["warning", "warning"]


APT = "/usr/lib/apt/apt-helper"


def apt(machine: Machine, helper: str, *sites: str) -> Path:
    """The script, on a machine with these sources and a helper that does this."""
    lines = "".join(
        f"'http://{site}/dists/x/InRelease' x_InRelease 0 \n'http://{site}/Packages' p 0\n" for site in sites
    )
    (machine.root / "uris").write_text(lines)
    machine.fake("apt-get", f"cat {machine.root}/uris")
    machine.fake("apt-helper", f"uri=${{*: -2:1}}; {helper}")
    return changed(machine, "apt.sh", (APT, f"{machine.root}/bin/apt-helper"))


@pytest.mark.parametrize(
    ("helper", "levels"),
    [
        ("true", ["ok", "ok"]),
        ('case "$uri" in *two*) echo "E: Temporary failure resolving" ; exit 100 ;; esac', ["ok", "warning"]),
        ('echo "Err:1 x"; echo "E: Temporary failure resolving"; exit 100', ["refused", "refused"]),
        # An old kind of repository has Release and no InRelease.
        ('case "$uri" in */InRelease) echo "E: Failed to fetch x 404  Not Found"; exit 100 ;; esac', ["ok", "ok"]),
    ],
)
def test_apt_sources(machine: Machine, helper: str, levels: list[str]) -> None:
    done = machine.run(apt(machine, helper, "one", "two"))
    assert done.returncode == 0, done.stderr
    seen = findings("dns", done.stdout)
    assert sorted(each.level for each in seen) == sorted(levels)
    assert all("Temporary failure resolving" in each.found for each in seen if each.level != "ok")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("# one a line\nhttp://one.example/debian/\tpriority:1\nhttp://two.example/debian\n", None),
        ("http://gone.example/debian\nhttp://two.example/debian\n", None),
        ("http://gone.example/debian\n", "Temporary failure resolving"),
        (None, "No such file or directory"),
    ],
)
def test_mirrors_that_are_in_a_list(machine: Machine, content: str | None, found: str | None) -> None:
    """As Debian's own cloud images have them; apt's helper does not know where the list is."""
    mirrors = machine.root / "mirrors/debian.list"
    if content:
        mirrors.parent.mkdir()
        mirrors.write_text(content)
    knows = (
        'case "$uri" in http://*.example/debian/dists/x/InRelease) ;; *) echo "E: no list"; exit 100 ;; esac;'
        'case "$uri" in *gone*) echo "E: Temporary failure resolving"; exit 100 ;; esac'
    )
    script = apt(machine, knows)
    (machine.root / "uris").write_text(f"'mirror+file://{mirrors}/dists/x/InRelease' x_InRelease 0 \n")
    done = machine.run(script)
    assert (done.returncode, done.stderr) == (0, "")
    (seen,) = findings("dns", done.stdout)
    assert seen.level == ("refused" if found else "ok") and (found or "") in seen.found


def test_a_source_without_suites(machine: Machine) -> None:
    script = apt(machine, 'case "$uri" in http://one.example/debian/./InRelease) ;; *) exit 100 ;; esac')
    (machine.root / "uris").write_text("'http://one.example/debian/./InRelease' x_InRelease 0 \n")
    assert [each.level for each in findings("dns", machine.run(script).stdout)] == ["ok"]


def test_mirrors_that_are_in_a_list_elsewhere(machine: Machine) -> None:
    file = "${*: -1}"
    script = apt(
        machine,
        f'case "$uri" in http://list.example/all) echo http://one.example/debian >"{file}" ;; '
        "http://one.example/debian/dists/x/InRelease) ;; *) exit 100 ;; esac",
    )
    for uri in ("mirror://list.example/all", "mirror+http://list.example/all"):
        (machine.root / "uris").write_text(f"'{uri}/dists/x/InRelease' x_InRelease 0 \n")
        assert [each.level for each in findings("dns", machine.run(script).stdout)] == ["ok"]


def test_no_apt_source(machine: Machine) -> None:
    done = machine.run(apt(machine, "true"))
    assert [(each.level, each.found) for each in findings("dns", done.stdout)] == [("refused", "none")]


@pytest.mark.skipif(not Path(APT).exists(), reason="needs apt")
def test_apt_really_prints_where_it_would_go(machine: Machine) -> None:
    """The real one prints what the script reads, without being root and without a change."""
    lists = machine.root / "lists"
    lists.mkdir()
    (machine.root / "sources.list").write_text("deb http://nowhere.invalid/debian bookworm main\n")
    options = [
        f"Dir::Etc::sourcelist={machine.root}/sources.list",
        "Dir::Etc::sourceparts=-",
        f"Dir::State::Lists={lists}",
    ]
    words = ["apt-get", *(word for option in options for word in ("-o", option)), "update", "--print-uris"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "'http://nowhere.invalid/debian/dists/bookworm/InRelease'" in done.stdout
    assert not [path for path in lists.rglob("*") if path.is_file()]


def test_a_script_itself_heeds_what_the_settings_ignore(machine: Machine) -> None:
    """Its own check ends an installation where the preflight does not look."""
    script = machine.root / "check.sh"
    script.write_text("refuse memory little much 'buy some'\nrefuse 'disk /var' small large 'buy one'\n")
    dns = machines.Machine("dns", "192.0.2.1", "root", 22, None, None, "", ignore=("port 53 of x", "disk /var"))
    seen = findings("dns", machine.run(script, **looking(dns)).stdout)
    assert [(each.what, each.level) for each in seen] == [("memory", "refused"), ("disk /var", "warning")]


def test_apts_locks_are_told(machine: Machine, tmp_path: Path) -> None:
    """As apt takes them; by a process of this computer's, which is this one."""
    lock = tmp_path / "lock"
    text = (ROOT / "components/host/scripts/check.sh").read_text()
    start, end = text.index("# apt and dpkg lock"), text.index("if command -v cloud-init")
    script = tmp_path / "locks.sh"
    part = text[start:end].replace("/var/lib/dpkg/lock-frontend", str(lock))
    assert str(lock) in part
    script.write_text(part.replace("/var/lib/dpkg/lock ", "").replace("/var/lib/apt/lists/lock", "/nowhere"))
    with lock.open("w") as file:
        assert findings("dns", machine.run(script).stdout) == []
        fcntl.lockf(file, fcntl.LOCK_EX)
        (seen,) = findings("dns", machine.run(script).stdout)
    assert seen.level == "warning" and f"(process {os.getpid()})" in seen.found
