"""The look as `pulumi up` begins: what it ends, and where it is left out."""

from __future__ import annotations

import threading
from typing import Any

import pulumi
import pytest

import preflight
import settings
from components.host import Finding
from preflight import looking
from settings import Stack
from tests.unit.program import run_with, without


def finds(monkeypatch: pytest.MonkeyPatch, *found: Finding) -> list[float]:
    """The look comes to this; the patience of each look."""
    asked: list[float] = []

    def look(stack: Stack, name: str, patience: float, tell: object) -> list[Finding]:
        asked.append(patience)
        assert threading.current_thread() is threading.main_thread()
        return list(found)

    monkeypatch.setattr(looking, "look", look)
    return asked


REFUSED = Finding("dns", "refused", "system", "Plan 9", "Debian 12", "install it")
WARNED = Finding("k8s", "warning", "swap", "on", "off", "swapoff -a")
FINE = Finding("k8s", "ok", "user", "root")


def test_up_ends_before_the_first_resource(good: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = finds(monkeypatch, REFUSED, WARNED, FINE)
    with pytest.raises(pulumi.RunError) as caught:
        run_with(good)
    assert asked == [30.0]
    text = str(caught.value)
    assert text.startswith("1 thing keeps the machines from what they are asked to be; nothing was changed.\n\n")
    assert (
        "  dns (192.168.80.110): system\n    found:    Plan 9\n    expected: Debian 12\n    fix:      install it"
        in text
    )
    assert "pulumi config set --path 'auto-devops:hosts.dns.ignore[0]' system" in text
    assert "swap" not in text


def test_up_goes_on_with_warnings(good: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    finds(monkeypatch, WARNED, FINE)
    warned: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warned.append)
    preflight.require(settings.parse(good))
    assert warned == ["k8s: swap: on; better: off; swapoff -a"]


def test_a_preview_looks_at_nothing(good: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = finds(monkeypatch, REFUSED)
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
    run_with(without(good, "gitlab", "k8s"))
    assert asked == []


def test_a_stack_may_do_without(good: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = finds(monkeypatch, REFUSED)
    run_with(without(good, "gitlab", "k8s") | {"preflight": {"enabled": False}})
    assert asked == []
