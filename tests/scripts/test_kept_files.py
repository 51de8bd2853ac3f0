"""Files that a script puts over others', and gives back: whatever they were, and wherever it was killed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.scripts.machine import Machine, remembered

STEPS = ("cp", "mv", "rm", "install", "touch", "mkdir")


class Kept(Machine):
    """A machine where the power goes off before, or just after, the n-th program that changes files."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.place = self.root / "etc dir"  # a path with a space
        self.place.mkdir()
        (self.root / "files/new").write_text("ours\n")

    def do(self, commands: str, **variables: str) -> subprocess.CompletedProcess[str]:
        script = self.root / "tmp/script.sh"
        script.write_text(commands)
        return self.run(script, **variables)

    def done(self, commands: str, **variables: str) -> None:
        result = self.do(commands, **variables)
        assert result.returncode == 0, result.stderr

    def cut(self, step: int, *, after: bool) -> None:
        """Counts anew; 0 never."""
        (self.root / "count").write_text("0")
        for name in STEPS:
            real = f'/bin/{name} "$@"'
            program = self.root / "bin" / name
            program.write_text(
                f"#!/bin/bash\nread -r n <{self.root}/count; echo $((++n)) >{self.root}/count\n"
                f"if [ $n = {step} ]; then {real if after else 'true'}; kill -9 $PPID; exit 1; fi\nexec {real}\n"
            )
            program.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "machine")


def listing(directory: Path) -> list[tuple[str, int, str]]:
    """All that is there: its path, mode, and content or target."""
    found = []
    for path in sorted(directory.rglob("*")):
        content = str(path.readlink()) if path.is_symlink() else "" if path.is_dir() else path.read_text()
        found.append((str(path.relative_to(directory)), path.lstat().st_mode, content))
    return found


def before(machine: Kept, kind: str) -> Path:
    target = machine.place / "some file.conf"
    if kind == "file":
        target.write_text("the user's\n")
        target.chmod(0o640)
    elif kind in ("link", "dangling"):
        if kind == "link":
            (machine.place / "elsewhere").write_text("the user's\n")
        target.symlink_to("elsewhere")
    elif kind == "same":
        target.write_text("ours\n")
        target.chmod(0o644)
    return target


KINDS = ["file", "link", "dangling", "same", "nothing"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_there_comes_back(machine: Kept, kind: str) -> None:
    target = before(machine, kind)
    was = listing(machine.place)
    machine.done(f'place "$FILES/new" "{target}" 600')
    (machine.root / "files/new").write_text("ours, changed\n")
    machine.done(f'place "$FILES/new" "{target}" 644')
    assert not target.is_symlink()
    assert target.read_text() == "ours, changed\n"
    assert target.stat().st_mode & 0o777 == 0o644
    machine.done(f'give_back "{target}"')
    assert listing(machine.place) == was
    assert remembered(machine.root / "state") == []


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("kind", ["file", "link", "nothing"])
def test_killed_at_any_step(machine: Kept, kind: str, after: bool) -> None:
    target = before(machine, kind)
    was = listing(machine.place)
    for back, again in ((f'give_back "{target}"', True), (f'give_back_below "{machine.place}"', False)):
        step = 0
        killed = True
        while killed:
            step += 1
            machine.cut(step, after=after)
            killed = machine.do(f'place "$FILES/new" "{target}" 644').returncode != 0
            machine.cut(0, after=after)
            if again:
                machine.done(f'place "$FILES/new" "{target}" 644')
                assert target.read_text() == "ours\n"
            machine.done(back)
            assert listing(machine.place) == was, f"killed at step {step}, {back}"
            assert not remembered(machine.root / "state"), f"killed at step {step}, {back}"
        assert step > 3


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("kind", ["file", "nothing"])
def test_killed_while_giving_back(machine: Kept, kind: str, after: bool) -> None:
    target = before(machine, kind)
    was = listing(machine.place)
    step = 0
    killed = True
    while killed:
        step += 1
        machine.done(f'place "$FILES/new" "{target}" 644')
        machine.cut(step, after=after)
        killed = machine.do(f'give_back "{target}"').returncode != 0
        machine.cut(0, after=after)
        machine.done(f'give_back "{target}"')
        assert listing(machine.place) == was, f"killed at step {step}"
    assert step > 1


def test_all_below_a_directory(machine: Kept) -> None:
    machine.place.joinpath("deep/er").mkdir(parents=True)
    names = ("a", "ends with space ", "deep/er/b", "deep/new\nline")
    for name in names[:3]:
        (machine.place / name).write_text(f"{name}, the user's\n")
    was = listing(machine.place)
    other = machine.place.parent / "etc dir too"
    for name in names:
        machine.done('place "$FILES/new" "$TARGET" 644', TARGET=str(machine.place / name))
    machine.done(f'place "$FILES/new" "{other}" 644')
    machine.done(f'give_back_below "{machine.place}"')
    assert listing(machine.place) == was
    assert other.read_text() == "ours\n"
    machine.done(f'give_back "{other}"')
    assert remembered(machine.root / "state") == []


def test_a_directory_is_not_overwritten(machine: Kept) -> None:
    target = machine.place / "directory"
    target.mkdir()
    for path in (target, machine.place / "auto-devops"):
        path.mkdir(exist_ok=True)
        result = machine.do(f'place "$FILES/new" "{path}" 644')
        assert result.returncode != 0
        assert not list(path.iterdir())


def test_what_is_ours_by_its_name_is_not_kept(machine: Kept) -> None:
    machine.done(f'place "$FILES/new" "{machine.place}/auto-devops.conf" 644')
    assert remembered(machine.root / "state") == []


def test_what_an_older_release_placed_is_ours(machine: Kept) -> None:
    """It did not remember what was there; of what it never placed, it is the user's."""
    older = machine.place / "config/ssl/gitlab.key"
    theirs = machine.place / "daemon.json"
    older.parent.mkdir(parents=True)
    for file in (older, theirs):
        file.write_text("before\n")
        machine.done(f'place "$FILES/new" "{file}" 644', LEGACY="yes")
        machine.done(f'give_back "{file}"')
    assert not older.exists()
    assert theirs.read_text() == "before\n"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/usr/local/bin/kubelet", 0),
        ("/opt/cni/bin/bridge", 0),
        ("/etc/containerd/certs.d/docker.io/hosts.toml", 0),
        ("/etc/kubelet-resolv.conf", 0),
        ("/etc/systemd/system/kubelet.service", 0),
        ("/etc/systemd/system/kubelet.service.d/10-kubeadm.conf", 0),
        ("/srv/gitlab-runner/config.toml", 0),
        ("/srv/gitlab/config/ssl/gitlab.example.com.crt", 0),
        ("/etc/docker/daemon.json", 1),
        ("/etc/resolv.conf", 1),
        ("/usr/local/bin/docker", 1),
    ],
)
def test_which_files_older_releases_placed(machine: Kept, path: str, status: int) -> None:
    assert machine.do(f"placed_by_older {path}", LEGACY="yes").returncode == status
    assert machine.do(f"placed_by_older {path}").returncode == 1
