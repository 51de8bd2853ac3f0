"""Brings the lab up once, from nothing, and remembers what its machines were like before the stack."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium import webdriver

from tests.lab.driver import CACHE, SERVERS, Lab, outside
from tests.lab.people import Person


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--keep-lab",
        action="store_true",
        help="use the lab as it runs now, to work on one test; the comparison after destroy needs a fresh one",
    )


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Lab:
    """The lab with the stack up. What was there before is taken down first: the sequence starts from nothing."""
    running = Lab()
    if request.config.getoption("--keep-lab"):
        return running
    running.lab("down").succeeded()
    assert not (CACHE / "lab").exists(), "make down left the running lab's directory"
    running.outside_before = outside()
    running.lab("machines").succeeded()
    running.before = {machine: running.snapshot(machine) for machine in SERVERS}
    running.lab("up").succeeded()
    return running


@pytest.fixture(scope="module")
def dev(lab: Lab) -> Person:
    """A maintainer of the group of the sample projects."""
    return Person.joins(lab, "dev", "demo")


@pytest.fixture
def browser(lab: Lab) -> Iterator[webdriver.Remote]:
    """A Chromium on the workstation, with its names and its trust."""
    options = webdriver.ChromeOptions()
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1200,900",
    ):
        options.add_argument(argument)
    driver = webdriver.Remote("http://10.77.0.20:9515", options=options)
    driver.set_page_load_timeout(60)
    yield driver
    driver.quit()
