"""The next minor version of Kubernetes, in place. Late in the sequence: there is no way back but a new cluster."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.lab.driver import DOMAIN, ROOT, Lab, eventually, run

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
def upgraded(lab: Lab) -> Iterator[dict[str, list[str]]]:
    """The cluster at the next version, and what an application on it answered meanwhile, asked all the time."""
    run([sys.executable, "-m", "lab.kubernetes", f"v{AFTER}"], timeout=3600).succeeded()
    lab.lab("spares", "node1").succeeded()
    lab.config("hosts.node1.address", "10.77.0.31")
    lab.config("kubernetes.workers[0]", "node1")
    lab.up().succeeded()
    lab.workstation(f"kubectl apply -f - <<'EOF'\n{MANIFEST}\nEOF")
    lab.workstation("kubectl rollout status deployment/steady --timeout=90s")
    eventually("the application", lambda: lab.on("workstation", HEALTH).output == "200\n")
    lab.config("kubernetes.version", AFTER)
    asks = f"while sleep 0.5; do {HEALTH}; done"
    asking = subprocess.Popen(
        [sys.executable, "-m", "lab", "shell", "workstation", "--command", f"timeout 600 bash -c {json.dumps(asks)}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        result = lab.up().succeeded()
    finally:
        lab.on("workstation", "pkill -f 'while sleep 0.5'")
        answers = asking.communicate(timeout=60)[0].split()
    yield {"answers": answers, "output": result.output.splitlines()}
    lab.workstation(f"kubectl delete -f - <<'EOF'\n{MANIFEST}\nEOF")
    for path in ("kubernetes.workers", "hosts.node1"):
        lab.config(path, None)
    lab.up().succeeded()
    lab.lab("discard", "node1").succeeded()
    # What comes after begins with a destroy; its new cluster is of the usual version again.
    lab.config("kubernetes.version", None)


def test_what_runs_is_the_new_version(lab: Lab, upgraded: dict[str, list[str]]) -> None:
    nodes = json.loads(lab.workstation("kubectl get nodes -o json"))["items"]
    versions = {node["metadata"]["name"]: node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes}
    assert versions == {"k8s": f"v{AFTER}", "node1": f"v{AFTER}"}
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
    assert lab.workstation("kubectl get nodes --no-headers").count(" Ready ") == 2


def test_the_way_back_is_refused_with_the_reason(lab: Lab, upgraded: object) -> None:
    lab.config("kubernetes.version", BEFORE)
    try:
        refused = lab.up().failed()
    finally:
        lab.config("kubernetes.version", AFTER)
        lab.up().succeeded()
    assert f"Kubernetes v{AFTER} on k8s, and v{BEFORE} wanted" in refused.output
    assert f"v{AFTER}" in lab.workstation("kubectl get nodes --no-headers")
