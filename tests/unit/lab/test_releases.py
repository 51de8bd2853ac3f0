"""Machines of several releases of Debian: where their packages come from, and which images are made for whom."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import ClassVar

import pytest

from lab import apt, base, engine, images, paths
from lab.inventory import BOOKWORM, MACHINES, SERVERS, SERVERS_13, SPARES, SUBNET, TRIXIE
from lab.steps import LabError, Plan

# Not a registry's: the computer's own is read, and stands nowhere.
DEB822 = """Types: deb
URIs: http://archive.example/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://archive.example/debian-security
Suites: bookworm-security
Components: main contrib

Types: deb
URIs: http://archive.example/other
Suites: bookworm-backports nodistro
Components: main

Types: deb
Enabled: no
URIs: http://archive.example/off
Suites: bookworm
Components: main
"""


@pytest.fixture(autouse=True)
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The computer's apt configuration."""
    file = tmp_path / "apt/sources.list.d/debian.sources"
    file.parent.mkdir(parents=True)
    file.write_text(DEB822)
    monkeypatch.setattr(apt, "_APT", tmp_path / "apt")
    monkeypatch.setattr(apt, "_setting", lambda key: "")
    return file


def test_the_computers_own_release() -> None:
    assert apt.sources_list(BOOKWORM) == (
        "deb http://archive.example/debian bookworm main\n"
        "deb http://archive.example/debian bookworm-updates main\n"
        "deb http://archive.example/debian-security bookworm-security main contrib\n"
    )


@pytest.mark.parametrize("form", ["deb822", "a line each"])
def test_another_release_is_where_the_computers_own_is(sources: Path, form: str) -> None:
    if form != "deb822":
        text = apt.sources_list(BOOKWORM)
        sources.unlink()
        (sources.parent.parent / "sources.list").write_text(
            f"{text}deb [trusted=yes] http://archive.example/x nodistro main\n"
        )
    assert apt.sources_list(TRIXIE) == (
        "deb http://archive.example/debian trixie main\n"
        "deb http://archive.example/debian trixie-updates main\n"
        "deb http://archive.example/debian-security trixie-security main contrib\n"
    )
    assert apt.debootstrap_uri(TRIXIE) == "http://archive.example/debian"


@pytest.mark.parametrize("release", [BOOKWORM, TRIXIE])
def test_a_computer_without_debians_archive(sources: Path, release: str) -> None:
    sources.write_text(DEB822.replace("bookworm", "jammy"))
    with pytest.raises(LabError, match="no source of Debian's suite bookworm"):
        apt.sources(release)


def test_each_release_has_images_of_its_own() -> None:
    kinds = {(each.image, each.release) for each in (*MACHINES, *SPARES)}
    names = {images.machine_tag(*each).partition(":")[0] for each in kinds}
    assert len(names) == len(kinds)
    assert images.machine_tag("server").startswith("auto-devops-lab/server:")
    assert images.machine_tag("server", TRIXIE).startswith("auto-devops-lab/server-trixie:")
    assert base.tag() != base.tag(TRIXIE)
    for image, _ in kinds:
        assert (paths.SOURCES / "machine" / image / "Dockerfile").exists()


def test_an_image_is_made_anew_when_what_it_is_made_of_changes(sources: Path) -> None:
    before = {release: images.machine_tag("resolved", release) for release in (BOOKWORM, TRIXIE)}
    sources.write_text(DEB822.replace("contrib", "non-free"))
    assert all(images.machine_tag("resolved", release) != tag for release, tag in before.items())


def test_images_of_a_release_are_made_for_its_machines_alone() -> None:
    """A cold `make up` pays for one base."""
    plan = Plan("make up")
    for each in MACHINES:
        images.add_steps(plan, each.image, each.release)
    assert plan.names() == ["base image", "image server", "image mirror", "image resolved", "image workstation"]
    assert images.add_steps(plan, "dhcpcd", TRIXIE) == "image dhcpcd trixie"
    assert images.add_steps(plan, "server", TRIXIE) == "image server trixie"
    assert plan.names()[5:] == ["base image trixie", "image server trixie", "image dhcpcd trixie"]


def test_machines_can_be_told_apart() -> None:
    machines = (*MACHINES, *SPARES)
    assert len({each.name for each in machines}) == len({each.address for each in machines}) == len(machines)
    for each in machines:
        assert ipaddress.ip_address(each.address) in ipaddress.ip_network(SUBNET)
        assert len(f"ado-{each.name}") < 16, "an interface's name"


def test_the_servers_with_debian_13_are_like_the_others() -> None:
    assert list(SERVERS_13) == [each.name for each in SERVERS]
    for like in SERVERS:
        other = SERVERS_13[like.name]
        assert (other.user, other.other_ssh_ports) == (like.user, like.other_ssh_ports)
        assert other.release == TRIXIE


def test_no_image_that_a_machine_may_want_is_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [images.machine_tag(each.image, each.release) for each in (*MACHINES, *SPARES)]
    made += [base.tag(), base.tag(TRIXIE), images.machine_tag("server", TRIXIE)]
    removed: list[str] = []

    class Image:
        tags: ClassVar = [*made, "auto-devops-lab/server-trixie:old", "somebody/else:1"]

    class Images:
        def list(self) -> list[type[Image]]:
            return [Image]

        def remove(self, tag: str, force: bool) -> None:
            removed.append(tag)

        def prune(self, filters: object) -> None:
            pass

    class Client:
        images = Images()

    class Log:
        def write(self, line: str) -> None:
            pass

    monkeypatch.setattr(engine, "client", Client)
    images.prune(Log(), set())  # type: ignore[arg-type]
    assert removed == ["auto-devops-lab/server-trixie:old"]
