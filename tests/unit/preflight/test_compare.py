"""What machines have to agree on."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from preflight import compare
from preflight.compare import Facts


def facts(machine: str, ahead: float, *, error: float = 0.1, begins: datetime.datetime | None = None) -> Facts:
    return Facts(machine, ahead, error, "x86_64", begins)


def levels(*given: Facts) -> dict[str, str]:
    """How each machine's clock is judged."""
    return {each.machine: each.level for each in compare.findings(given, None)}


YEAR = datetime.timedelta(days=365)


@pytest.mark.parametrize(
    ("ahead", "old", "level"),
    [
        (0.2, None, "ok"),
        (-4.9, None, "ok"),
        # Nothing is certified yet: the CA will begin at our present.
        (-90, None, "refused"),
        (90, None, "warning"),
        (-90, YEAR, "warning"),
        # A machine that restarts in 2025, with a CA from later.
        (-400 * 86400, YEAR, "refused"),
        (-90, datetime.timedelta(seconds=30), "refused"),
    ],
)
def test_a_clock_beside_this_computers(ahead: float, old: datetime.timedelta | None, level: str) -> None:
    """By how old the CA is that the machine trusts."""
    begins = datetime.datetime.now(datetime.UTC) - old if old else None
    assert levels(facts("dns", ahead, begins=begins), facts("k8s", 0)) == {"dns": level, "k8s": "ok"}


def test_a_slow_answer_is_no_wrong_clock() -> None:
    assert levels(facts("dns", -7, error=3)) == {"dns": "ok"}


def test_machines_apart_from_each_other() -> None:
    found = compare.findings([facts("dns", -4), facts("k8s", 4)], None)
    assert [each.machine for each in found if each.level == "warning"] == ["k8s"]
    assert "8 s ahead of dns's" in found[-1].found


def test_where_all_agree_it_is_this_computer() -> None:
    found = compare.findings([facts("dns", 60), facts("k8s", 61)], None)
    assert all("on this computer" in each.fix for each in found)
    alone = compare.findings([facts("dns", 60), facts("k8s", 0)], None)
    assert "on dns:" in alone[0].fix


def test_what_is_built_must_run() -> None:
    given = [facts("registry", 0), Facts("k8s", 0, 0.1, "aarch64", None), facts("gitlab", 0)]
    found = compare.findings(given, ("registry", {"k8s", "gitlab", "not-reached"}))
    kinds = {each.machine: each.level for each in found if each.what == "same architecture"}
    assert kinds == {"k8s": "refused", "gitlab": "ok"}


def test_an_answer_is_read_whatever_a_login_shell_prints(mirror_ca: Path) -> None:
    pem = mirror_ca.read_text()
    read = compare.read("dns", f"Welcome!\n\x1e1000.5 aarch64\x1e\n{pem}", 1000, 1002)
    assert read is not None and read.begins is not None
    assert (read.ahead, read.error, read.architecture) == (-0.5, 1.0, "aarch64")
    bare = compare.read("dns", "\x1e1000.5 aarch64\x1e\n", 1000, 1002)
    assert bare is not None and bare.begins is None
    assert compare.read("dns", "This account is not available.\n", 0, 0) is None
