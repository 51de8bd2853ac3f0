"""Settings of the kernel, which all machines of the lab share with this computer: raised while the lab is up.

Owns what each of them was before, in the lab's runtime directory, until `give_back`.
"""

from __future__ import annotations

from pathlib import Path

from lab import paths
from lab.steps import LabError

_BEFORE = paths.RUN / "kernel"
_WANTED = {
    # Between the machines' cables and the way out.
    "net.ipv4.ip_forward": 1,
    # The kernel counts all machines' as one user's, and its default of 128 is less than ten machines with a systemd, a
    # containerd and a kubelet each need ("inotify_init: too many open files").
    "fs.inotify.max_user_instances": 1024,
}


def adjust() -> None:
    """Raise what is lower than the lab needs, and remember what it was. A LabError names what cannot be written."""
    _BEFORE.mkdir(mode=0o700, parents=True, exist_ok=True)
    for key, wanted in _WANTED.items():
        before = _BEFORE / key
        found = int(_setting(key).read_text())
        if found >= wanted:
            continue
        if not before.exists():
            before.write_text(f"{found}\n")
        try:
            _setting(key).write_text(f"{wanted}\n")
        except OSError as error:
            raise LabError(
                f"the kernel's {key} is {found}, the lab needs {wanted}, and it cannot be changed: {error.strerror}",
                f"sysctl -w {key}={wanted}, where this computer's kernel may be changed",
            ) from error


def give_back() -> None:
    """Give the kernel back the settings that it had before."""
    for before in _BEFORE.glob("*"):
        _setting(before.name).write_text(before.read_text())
        before.unlink()
    if _BEFORE.exists():
        _BEFORE.rmdir()


def _setting(key: str) -> Path:
    return Path("/proc/sys", *key.split("."))
