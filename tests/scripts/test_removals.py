"""What scripts may remove as a whole, and how they give files of others back."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.scripts.machine import ROOT, Machine
from tests.scripts.rooted import Rooted

HOST = ROOT / "components/host/scripts"
# Directories that are removed with all that is in them, by file: each was made by the stack, and nobody else has reason
# to write there. A new one belongs here only if that is so; else its files are given back one by one (files.sh).
WHOLE = {
    # The bundle, downloads, and what the stack remembers.
    "host/scripts/run.sh": {
        '"$bundle"',
        '"$bundle" "$WORK"',
        '"$WORK"',
        '"$removal.new"',
        '"$removal.old"',
        '"$removal" "$removal.old" "$removal.new"',
    },
    "host/scripts/leave.sh": {
        '"$STATE/removals" "$STATE/work"',
        '"$STATE/removals"/*.new',
        '"$STATE/removals"/*.old',
        '"$left"',
    },
    # Named by auto-devops.
    "dns/scripts/install.sh": {'"$directory"'},
    "dns/scripts/remove.sh": {"/etc/bind/auto-devops", "/run/named"},
    "gitlab_server/scripts/data-remove.sh": {'"$DATA/$directory"', '"$DATA/auto-devops"'},
    "gitlab_server/templates/restore.j2": {'"$own/backup"', '"$own"', '"$own/before.new"'},
    # Only those that were empty before (kubernetes-directories).
    "k8s_node/scripts/init.sh": {'"$directory"'},
    "k8s_node/scripts/join.sh": {"/etc/kubernetes"},
    "k8s_node/scripts/reset.sh": {'"$directory"', "/var/lib/auto-devops-volumes"},
    "k8s_node/scripts/unprepare.sh": {
        '"$directory"',
        "/var/lib/cni/networks/auto-devops",
        "/var/lib/containerd",
        "/run/containerd",
    },
    # Sockets of daemons that came with the stack and are gone; the last is in a message, what people may do.
    "docker_engine/scripts/remove.sh": {
        '/etc/docker/auto-devops "$records"',
        '"$root/$part"',
        "/run/docker /run/docker.sock",
        "/run/containerd",
        '$root"',
    },
}
REMOVES = re.compile(r"(?:\brm -[a-zA-Z]*[rR][a-zA-Z]*|\bremove_tree) ([^;'\n]*[^;'\s])")
DELETES = re.compile(r"find ([^|;\n]*?) .*-delete")


def removed() -> dict[str, set[str]]:
    """What is removed as a whole, by file."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "components").rglob("*")):
        if path.suffix not in (".sh", ".j2"):
            continue
        lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
        for what in REMOVES.findall("\n".join(lines)):
            found.setdefault(str(path.relative_to(ROOT / "components")), set()).add(what)
    return found


def test_nothing_else_is_removed_as_a_whole() -> None:
    assert removed() == WHOLE


@pytest.mark.parametrize(
    "line", ["rm -rf /srv/x", "rm -r /srv/x; true", "if a; then remove_tree /srv/x; fi", "rm -fr /srv/x"]
)
def test_a_new_removal_is_noticed(line: str) -> None:
    assert REMOVES.findall(line) == ["/srv/x"]


def test_directories_are_emptied_by_the_library_only() -> None:
    """`find … -delete` of more than empty directories."""
    emptied = {
        f"{path.parent.parent.name}/{path.name}"
        for path in (ROOT / "components").glob("*/scripts/*.sh")
        for line in path.read_text().splitlines()
        if DELETES.search(line) and "-empty" not in line
    }
    assert emptied <= {"host/files.sh"}


def script(machine: Machine, text: str, **variables: str) -> subprocess.CompletedProcess[str]:
    path = machine.root / "tmp/step.sh"
    path.write_text(text)
    return machine.run(path, **variables)


@pytest.fixture
def machine(tmp_path: Path) -> Rooted:
    return Rooted(tmp_path / "machine")


def test_a_tree_goes_but_not_a_disk(machine: Rooted) -> None:
    tree = machine.write("var/tree/a/b").parents[1]
    assert script(machine, f"remove_tree {tree}; remove_tree {tree}").returncode == 0
    assert not tree.exists()
    machine.fake("mountpoint", "true")
    machine.write("var/tree/a/b")
    (tree / "lost+found").mkdir()
    assert script(machine, f"remove_tree {tree}").returncode == 0
    assert [path.name for path in tree.iterdir()] == ["lost+found"]


def test_only_empty_directories_go(machine: Rooted) -> None:
    kept, empty = machine.write("etc/kept/theirs").parent, machine.root / "etc/empty"
    empty.mkdir()
    assert script(machine, f"remove_empty {kept} {empty} {empty}").returncode == 0
    assert kept.exists() and not empty.exists()


def test_lines_in_somebody_elses_file(machine: Rooted) -> None:
    file, lines = machine.write("etc/theirs.conf", "a = 1\n", 0o640), machine.root / "files/lines"
    for text in ("b", "c"):
        lines.write_text(f"# auto-devops: why\n{text}\n# auto-devops: end\n")
        assert script(machine, f"add_lines {lines} {file} last").returncode == 0
    assert file.read_text() == "a = 1\n" + lines.read_text()
    assert script(machine, f"add_lines {lines} {file} first; [ $CHANGED = yes ]").returncode == 0
    assert script(machine, f"add_lines {lines} {file} first; [ $CHANGED = no ]").returncode == 0
    assert file.read_text() == lines.read_text() + "a = 1\n"
    assert script(machine, f"take_lines {file}").returncode == 0
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("a = 1\n", 0o640)
    assert script(machine, f"take_lines {file}").returncode == 1
    assert sorted(path.name for path in file.parent.iterdir()) == ["theirs.conf"]


@pytest.mark.parametrize(
    "text",
    [
        "theirs = 1\n# auto-devops: why\nours = 1\ntheirs = 2\n",
        "theirs = 1\nours = 1\n# auto-devops: end\ntheirs = 2\n",
        "# auto-devops: why\nours = 1\n# auto-devops: why\nours = 1\n# auto-devops: end\ntheirs = 2\n",
    ],
    ids=["no end", "no beginning", "twice the beginning"],
)
def test_lines_without_their_marks_are_refused(machine: Rooted, text: str) -> None:
    """What somebody wrote after a mark that is gone went with the stack's lines."""
    file, lines = machine.write("etc/theirs.conf", text), machine.root / "files/lines"
    lines.write_text("# auto-devops: why\nours = 2\n# auto-devops: end\n")
    for step, command in ((f"add_lines {lines} {file} last", "up"), (f"take_lines {file}", "destroy")):
        result = script(machine, step)
        assert result.returncode == 1 and f"pulumi {command} again" in result.stderr and str(file) in result.stderr
        assert file.read_text() == text


def test_what_another_script_has_just_made_stays(machine: Rooted) -> None:
    """Removals run beside each other: one removed a directory in which another was about to write, or to look."""
    kept = machine.write("etc/kept", "theirs\n")
    assert script(machine, f"keep {kept}").returncode == 0
    made = machine.state / "before/etc/somebody"
    made.mkdir(parents=True)
    assert script(machine, f"give_back {kept}; give_back_below {kept.parent}").returncode == 0
    assert made.is_dir() and kept.read_text() == "theirs\n"


def bundle(machine: Rooted, step: str) -> subprocess.CompletedProcess[str]:
    """A bundle as it is unpacked on a machine, whose install.sh is `step`."""
    directory = machine.root / "run/bundle"
    directory.mkdir(parents=True, exist_ok=True)
    (machine.root / "run/lock").mkdir(exist_ok=True)
    for name in ("run", "lib", "findings", "files", "packages"):
        (directory / f"{name}.sh").write_text(machine.moved(HOST / f"{name}.sh"))
    (directory / "install.sh").write_text(step)
    (directory / "check.sh").write_text("ok a b\n")
    return machine.program(directory / "run.sh", "a-resource", "install" if step else "check")


@pytest.mark.parametrize("end", ["true", "false", "kill -TERM $$"])
def test_downloads_go_with_the_bundle(machine: Rooted, end: str) -> None:
    result = bundle(machine, f'mkdir -p "$WORK"; touch "$WORK/large"; echo "$WORK"; {end}')
    assert str(machine.state / "work/a-resource") in result.stdout.splitlines(), result.stderr
    assert (result.returncode == 0) is (end == "true")
    assert not (machine.state / "work/a-resource").exists() and not (machine.root / "run/bundle").exists()


def test_what_a_switched_off_machine_left_goes_before_the_next_download(machine: Rooted) -> None:
    machine.write("var/lib/auto-devops/work/a-resource/half")
    assert bundle(machine, '[ ! -e "$WORK" ]').returncode == 0


def test_looking_takes_nothing_from_an_installation_that_runs(machine: Rooted) -> None:
    half = machine.write("var/lib/auto-devops/work/a-resource/half")
    result = bundle(machine, "")
    assert (result.returncode, half.exists()) == (0, True), result.stderr


def test_what_a_check_says_has_no_blanks_at_its_end(machine: Rooted) -> None:
    result = script(machine, "refuse 'a ' 'b  ' c 'd '")
    assert result.stdout == "refused\x1fa\x1fb\x1fc\x1fd\n"


def test_who_listens(machine: Rooted) -> None:
    line = 'LISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:((\\"nginx\\",pid=12,fd=6),(\\"nginx\\",pid=13,fd=6))'
    machine.fake("ss", f'echo "{line}"; echo "LISTEN 0 9 [::]:80 [::]:*"')
    text = machine.moved(HOST / "findings.sh") + "holders t 80"
    unit = "/system.slice/nginx.service"
    machine.write("proc/12/cgroup", f"2:cpu:/\n1:name=systemd:{unit}\n0::{unit}\n")
    assert script(machine, text).stdout == "0.0.0.0:80 nginx nginx.service\n[::]:80 unknown -\n"


def test_users_images_from_ours_stay(machine: Rooted) -> None:
    """What is built from an image inherits its labels."""
    images = "registry.x/auto-devops/go:1\\nregistry.x/demo/web:1\\nelsewhere/registry.x/auto-devops/go:1\\n"
    machine.fake("docker", f"case \"$*\" in 'image ls '*) printf '{images}' ;; esac")
    result = machine.step(ROOT / "components/ci_images/scripts/unbuild.sh", ROLE="go", REGISTRY="registry.x")
    assert result.returncode == 0, result.stderr
    assert [call for call in machine.calls if "image rm" in call] == ["docker image rm registry.x/auto-devops/go:1"]


def test_engines_of_others_are_not_restarted_for_the_ca(machine: Rooted) -> None:
    machine.fake("systemctl", "true")
    machine.fake("openssl", "true")
    machine.fake("update-ca-certificates", "true")
    machine.fake("dpkg-query", "printf installed")
    (machine.root / "var/lib/dpkg").mkdir(parents=True)
    machine.files({"auto-devops.crt": "ca"})
    trust, distrust = (ROOT / f"components/ca/scripts/{name}.sh" for name in ("trust", "distrust"))
    assert machine.step(trust).returncode == 0 and machine.step(distrust).returncode == 0
    assert not [call for call in machine.calls if "restart" in call]
    machine.write("etc/systemd/system/docker.service.d/auto-devops.conf")
    machine.fake("docker", "case $1 in info) echo true ;; esac")
    machine.write("etc/containerd/config.toml", "# Made by auto-devops. x\n")
    assert machine.step(trust).returncode == 0
    assert [call for call in machine.calls if " restart " in call] == [
        "systemctl restart containerd",
        "systemctl restart docker",
    ]


def test_a_trust_store_that_fails_fails_the_removal(machine: Rooted) -> None:
    machine.fake("update-ca-certificates", "echo no space left >&2; false")
    result = machine.step(ROOT / "components/ca/scripts/distrust.sh")
    assert result.returncode == 1 and "no space left" in result.stderr
