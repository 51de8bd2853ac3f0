"""Brings the lab into the saved state that each test file names, and keeps the machines of tests that fail.

`pytestmark = pytest.mark.state(NAME, changes=…, makes=…)` is each file's word on what it needs; see keeper.Need.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from functools import partial

import pytest
from selenium import webdriver

from lab import paths
from tests.lab.driver import CHROMEDRIVER, REGISTRY, Lab, outside
from tests.lab.keeper import Keeper, Kept, Need, StateError, ordered
from tests.lab.people import Person
from tests.lab.report import Report
from tests.lab.states import STATES, SavedStates

BEFORE = {name: state.before for name, state in STATES.items()}
_LAB = pytest.StashKey[Lab]()
_KEEPER = pytest.StashKey[Keeper | None]()
"""None where the lab is used as it runs."""
_NEEDS = pytest.StashKey[dict[str, Need]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("the lab")
    group.addoption(
        "--keep-lab",
        action="store_true",
        help="load and save nothing: use the lab as it runs now, to work on one test",
    )
    group.addoption("--reverse", action="store_true", help="the files in reverse order, which has to be as good")
    group.addoption("--report", action="store_true", help="write what passed and how long each took to a file")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "state(name, changes=False, makes=None): the saved state that a file starts from"
    )
    driver = config.stash[_LAB] = Lab()
    states = SavedStates(driver)
    config.stash[_KEEPER] = None if config.getoption("--keep-lab") else Keeper(states, BEFORE)
    if config.getoption("--report"):
        config.pluginmanager.register(Report(states, config.invocation_params.args), "lab-report")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The files in the order that needs the fewest loads; within a file the tests stay as they are written."""
    needs = {item.nodeid.partition("::")[0]: item for item in items if _is_of_the_lab(item)}
    found = {file: _need(file, item) for file, item in needs.items()}
    order = ordered(list(found.values()), BEFORE)
    if config.getoption("--reverse"):
        order.reverse()
    place = {need.file: number for number, need in enumerate(order)}
    # Tests of other directories, where there are any, come first and stay as they are.
    items.sort(key=lambda item: place.get(item.nodeid.partition("::")[0], -1))
    config.stash[_NEEDS] = found


def _is_of_the_lab(item: pytest.Item) -> bool:
    return item.path.parent == paths.REPOSITORY / "tests/lab"


def _need(file: str, item: pytest.Item) -> Need:
    marker = item.get_closest_marker("state")
    if marker is None:
        raise pytest.UsageError(
            f"{file} does not say which saved state it starts from: pytestmark = pytest.mark.state(…)"
        )
    need = Need(file, *marker.args, **marker.kwargs)
    for state in (need.state, need.makes):
        if state is not None and state not in STATES:
            raise pytest.UsageError(f"{file}: no state {state!r}; there are: {', '.join(STATES)}")
    return need


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Lab:
    """The running lab, in the state that the test's file names."""
    driver = request.config.stash[_LAB]
    if not paths.LAB.exists() and not paths.RUN.exists():
        driver.outside_before = outside()
    return driver


@pytest.fixture(scope="module", autouse=True)
def _state(request: pytest.FixtureRequest) -> Iterator[None]:
    """The file's state, before any of its own fixtures; what it leaves is settled after them."""
    need = request.config.stash[_NEEDS][request.node.nodeid]
    keeper = request.config.stash[_KEEPER]
    if need.state is None or keeper is None:
        yield
        return
    request.getfixturevalue("lab")
    try:
        keeper.begin(need)
    except StateError as error:
        pytest.fail(str(error), pytrace=False)
    yield
    keeper.end(need)


@pytest.fixture(scope="module")
def dev(lab: Lab) -> Person:
    """A maintainer of the group of the sample projects."""
    return Person.joins(lab, "dev", "demo")


@pytest.fixture(scope="module")
def web(lab: Lab) -> str:
    """An image that somebody has pushed to the registry; its name there."""
    lab.push("demo/web:1")
    return f"{REGISTRY}/demo/web:1"


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
    driver = webdriver.Remote(CHROMEDRIVER, options=options)
    driver.set_page_load_timeout(60)
    yield driver
    driver.quit()


def pytest_runtest_setup(item: pytest.Item) -> None:
    keeper = item.config.stash[_KEEPER]
    if keeper is not None:
        item.config.stash[_LAB].on_failure = partial(keeper.failed, item.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    keeper = item.config.stash[_KEEPER]
    if keeper is not None and report.failed and _is_of_the_lab(item):
        keeper.failed(item.nodeid)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    keeper = config.stash[_KEEPER]
    for kept in keeper.kept if keeper is not None else ():
        terminalreporter.write_sep("-", kept.test)
        for line in how_to_look(kept):
            terminalreporter.write_line(line)


def how_to_look(kept: Kept) -> list[str]:
    """What people are told about a failed test's machines."""
    if kept.state is None:
        return [f"Its machines are not kept: {kept.problem}"]
    again = f"make test-lab ONLY={kept.file}" if kept.file else "make test-lab"
    return [
        "Its machines are saved as they were when it failed. To look at them, in place of what runs now:",
        f"  make lab-load NAME={kept.state} FORCE=1        # FORCE: also after the sources were changed",
        "  make shell ON=gitlab        # or another machine; without ON the workstation. `journalctl -b` is its log",
        f"  {paths.LOGS}: what the lab's own steps printed",
        f"To go on: mend it, then `{again}`, which starts from a saved state again.",
    ]
