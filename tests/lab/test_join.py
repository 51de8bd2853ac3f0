"""Two machines become nodes at once. What this leaves is the saved state `workers`."""

from __future__ import annotations

import pytest

from tests.lab.driver import Lab, Result
from tests.lab.states import WORKERS, add_workers

pytestmark = pytest.mark.state("up", makes="workers")


@pytest.fixture(scope="module")
def joined(lab: Lab) -> Result:
    """Two further machines, set to be workers: what `pulumi up` did."""
    return add_workers(lab)


def test_two_machines_join_at_once(lab: Lab, joined: Result) -> None:
    joined.succeeded()
    nodes = lab.workstation("kubectl get nodes --no-headers").splitlines()
    assert {line.split()[0] for line in nodes if " Ready " in line} == {"k8s", *WORKERS}


def test_after_it_nothing_is_left_to_do(lab: Lab, joined: Result) -> None:
    assert set(lab.up().succeeded().changes) == {"unchanged"}
