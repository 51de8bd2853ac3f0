"""The next minor version of Kubernetes, in place, on a control plane and two workers."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from lab import machines
from lab.inventory import WORKSTATION
from tests.lab.driver import DOMAIN, SERVERS, Lab, difference, eventually, run
from tests.lab.states import WORKERS

pytestmark = [pytest.mark.state("workers", changes=True), pytest.mark.full]
BEFORE, AFTER = "1.36.3", "1.37.2"
URL = f"http://steady.k8s.{DOMAIN}/"
MANIFEST = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: steady}}
spec:
  selector: {{matchLabels: {{app: steady}}}}
  template:
    metadata: {{labels: {{app: steady}}}}
    spec:
      containers: [{{name: steady, image: "registry.k8s.io/defaultbackend-amd64:1.5"}}]
---
apiVersion: v1
kind: Service
metadata: {{name: steady}}
spec:
  selector: {{app: steady}}
  ports: [{{port: 80, targetPort: 8080}}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: steady}}
spec:
  rules:
    - host: steady.k8s.{DOMAIN}
      http:
        paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: steady, port: {{number: 80}}}}}}}}]
"""
HEALTH = f"curl -s -o /dev/null --max-time 2 -w '%{{http_code}}\\n' {URL}healthz"


@pytest.fixture(scope="module")
def upgraded(lab: Lab) -> dict[str, list[str]]:
    """The cluster at the next version, and what an application on it answered meanwhile, asked all the time."""
    run([sys.executable, "-m", "lab.kubernetes", f"v{AFTER}"], timeout=3600).succeeded()
    lab.workstation(f"kubectl apply -f - <<'EOF'\n{MANIFEST}\nEOF")
    lab.workstation("kubectl rollout status deployment/steady --timeout=90s")
    eventually("the application", lambda: lab.on("workstation", HEALTH).output == "200\n")
    lab.config("kubernetes.version", AFTER)
    asks = f"while sleep 0.5; do {HEALTH}; done"
    command = machines.shell_command(WORKSTATION, f"timeout 600 bash -c {json.dumps(asks)}")
    asking = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        result = lab.up().succeeded()
    finally:
        lab.on("workstation", "pkill -f 'while sleep 0.5'")
        answers = asking.communicate(timeout=60)[0].split()
    return {"answers": answers, "output": result.output.splitlines()}


def test_what_runs_is_the_new_version(lab: Lab, upgraded: dict[str, list[str]]) -> None:
    nodes = json.loads(lab.workstation("kubectl get nodes -o json"))["items"]
    versions = {node["metadata"]["name"]: node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes}
    assert versions == dict.fromkeys(("k8s", *WORKERS), f"v{AFTER}")
    assert f'"gitVersion": "v{AFTER}"' in lab.workstation("kubectl get --raw /version")
    assert lab.on("node1", "kubelet --version").succeeded().output.strip() == f"Kubernetes v{AFTER}"
    images = lab.workstation("kubectl -n kube-system get pods -o jsonpath='{.items[*].spec.containers[*].image}'")
    assert f"kube-controller-manager:v{AFTER}" in images
    assert BEFORE not in images
    assert lab.outputs()["kubernetesVersion"] == AFTER


def test_the_application_kept_answering(lab: Lab, upgraded: dict[str, list[str]]) -> None:
    answers = upgraded["answers"]
    assert len(answers) > 20, "it was asked while the upgrade ran"
    assert answers.count("200") / len(answers) > 0.95, f"answers: {answers}"
    assert lab.workstation(HEALTH) == "200\n"


def test_after_it_nothing_is_left_to_do(lab: Lab, upgraded: object) -> None:
    assert set(lab.up().succeeded().changes) == {"unchanged"}
    assert lab.workstation("kubectl get nodes --no-headers").count(" Ready ") == 1 + len(WORKERS)


def test_the_way_back_is_refused_with_the_reason(lab: Lab, upgraded: object) -> None:
    with lab.changed({"kubernetes.version": BEFORE}, undo={"kubernetes.version": AFTER}):
        refused = lab.up().failed()
    assert f"Kubernetes v{AFTER} on k8s, and v{BEFORE} wanted" in refused.output
    assert f"v{AFTER}" in lab.workstation("kubectl get nodes --no-headers")


def test_upgraded_workers_leave_and_the_rest_can_be_destroyed(lab: Lab, upgraded: object) -> None:
    lab.workstation(f"kubectl delete -f - <<'EOF'\n{MANIFEST}\nEOF")
    lab.config("kubernetes.workers", None)
    for worker in WORKERS:
        lab.config(f"hosts.{worker}", None)
    lab.up().succeeded()
    assert lab.workstation("kubectl get nodes --no-headers").count("\n") == 1
    lab.pulumi("destroy", "--yes", "--skip-preview").succeeded()
    left = {name: difference(lab.before[name], lab.snapshot(name)) for name in (*SERVERS, *WORKERS)}
    assert {name: things for name, things in left.items() if things} == {}
