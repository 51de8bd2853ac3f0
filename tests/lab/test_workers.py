"""A cluster of several nodes: pods reach each other wherever they run, and a worker that leaves, leaves no trace."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.lab.driver import Lab, difference
from tests.lab.states import WORKERS

pytestmark = pytest.mark.state("workers", changes=True)
ONE, OTHER = WORKERS


@pytest.fixture(scope="module")
def pods(lab: Lab) -> Iterator[None]:
    """A pod on each worker, with a shell in it."""
    image = lab.workstation(
        "kubectl -n kube-system get daemonset kube-proxy -o jsonpath='{.spec.template.spec.containers[0].image}'"
    )
    for worker in WORKERS:
        override = json.dumps({"spec": {"nodeName": worker}})
        lab.workstation(f"kubectl run on-{worker} --image={image} --overrides='{override}' --command -- sleep 600")
    names = " ".join(f"pod/on-{worker}" for worker in WORKERS)
    lab.workstation(f"kubectl wait --for=condition=Ready {names} --timeout=90s")
    yield
    lab.workstation(f"kubectl delete {names} --now --ignore-not-found")


@pytest.mark.parametrize(("here", "there"), [(ONE, OTHER), (OTHER, ONE)])
def test_pods_reach_each_other_and_the_clusters_names(lab: Lab, pods: None, here: str, there: str) -> None:
    address = lab.workstation(f"kubectl get pod on-{there} -o jsonpath='{{.status.podIP}}'")
    # A port that is closed answers; a network that leads nowhere does not.
    asks = f"bash -c 'echo >/dev/tcp/{address}/9' 2>&1"
    assert "refused" in lab.on("workstation", f"kubectl exec on-{here} -- {asks}").output
    name = "kubernetes.default.svc.cluster.local"
    assert name in lab.workstation(f"kubectl exec on-{here} -- getent hosts {name}")


def test_workers_that_leave_leave_no_trace(lab: Lab) -> None:
    lab.config("kubernetes.workers", None)
    for worker in WORKERS:
        lab.config(f"hosts.{worker}", None)
    lab.up().succeeded()
    assert lab.workstation("kubectl get nodes --no-headers").count("\n") == 1
    assert " via " not in lab.on("k8s", "ip route show to root 10.244.0.0/16").succeeded().output, "no way to them"
    for worker in WORKERS:
        assert difference(lab.before[worker], lab.snapshot(worker)) == {}
