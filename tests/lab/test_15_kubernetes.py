"""The cluster, seen from the workstation."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.lab.driver import DOMAIN, REGISTRY, Lab, eventually

BASE = f"k8s.{DOMAIN}"
SITE = f"{REGISTRY}/demo/site:1"
MANIFEST = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: site, namespace: demo}}
spec:
  selector: {{matchLabels: {{app: site}}}}
  template:
    metadata: {{labels: {{app: site}}}}
    spec:
      containers:
        - name: site
          image: {SITE}
          ports: [{{containerPort: 80}}]
          volumeMounts: [{{name: data, mountPath: /data}}]
      volumes:
        - name: data
          persistentVolumeClaim: {{claimName: data}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: data, namespace: demo}}
spec:
  accessModes: [ReadWriteOnce]
  resources: {{requests: {{storage: 1Mi}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: site, namespace: demo}}
spec:
  selector: {{app: site}}
  ports: [{{port: 80}}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: site, namespace: demo}}
spec:
  rules:
    - host: site.{BASE}
      http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: site, port: {{number: 80}}}}}}}}]}}
"""


@pytest.fixture(scope="module")
def site(lab: Lab) -> Iterator[None]:
    """An application as people deploy one: image from the registry, volume, Service, Ingress."""
    base = lab.workstation("docker image ls -q --filter reference='*/library/nginx' | head -n 1").strip()
    dockerfile = f"FROM {base}\\nRUN echo hello from the cluster >/usr/share/nginx/html/index.html\\n"
    lab.workstation(f"printf '{dockerfile}' | docker build -q -t {SITE} - && docker push -q {SITE}")
    lab.workstation(f"kubectl create namespace demo; kubectl apply -f - <<'EOF'\n{MANIFEST}\nEOF")
    lab.workstation("kubectl -n demo rollout status deployment/site --timeout=120s")
    yield
    lab.on("workstation", "kubectl delete namespace demo --timeout=120s")


def answers(lab: Lab, url: str, text: str) -> None:
    eventually(f"{text!r} at {url}", lambda: text in lab.on("workstation", f"curl -sS --max-time 5 {url}").output, 90)


def test_node_is_ready_at_the_version_set(lab: Lab) -> None:
    nodes = json.loads(lab.workstation("kubectl get nodes -o json"))["items"]
    assert [node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes] == ["v1.36.3"]
    conditions = {c["type"]: c["status"] for c in nodes[0]["status"]["conditions"]}
    assert conditions["Ready"] == "True"
    assert "v1.36.3" in lab.workstation("kubectl get --raw /version")
    assert lab.outputs()["kubernetesVersion"] == "1.36.3"


def test_image_from_the_registry_runs_and_answers(lab: Lab, site: None) -> None:
    answers(lab, f"http://site.{BASE}/", "hello from the cluster")
    answers(lab, f"https://site.{BASE}/", "hello from the cluster")


def test_unknown_host_gets_the_default_backend(lab: Lab) -> None:
    for scheme in ("http", "https"):
        answer = lab.workstation(f"curl -sS -w ' %{{http_code}}' {scheme}://unknown.{BASE}/")
        assert answer == "default backend - 404 404"


def test_kubectl_top_works(lab: Lab) -> None:
    eventually("kubectl top", lambda: "k8s" in lab.on("workstation", "kubectl top nodes --no-headers").output, 60)


def test_volume_is_bound_by_the_default_class(lab: Lab, site: None) -> None:
    assert lab.workstation("kubectl -n demo get pvc data -o jsonpath='{.status.phase}'") == "Bound"


def test_cluster_dns_answers(lab: Lab, site: None) -> None:
    line = "kubectl -n demo exec deployment/site -- getent hosts site.demo.svc.cluster.local"
    assert "site.demo.svc.cluster.local" in lab.workstation(line)
    assert "10.77.0.12" in lab.workstation(f"kubectl -n demo exec deployment/site -- getent hosts {REGISTRY}")


def test_kubelets_certificate_is_the_clusters(lab: Lab) -> None:
    """Logs go through the kubelet's own port, which the API server checks."""
    assert lab.workstation("kubectl -n kube-system logs --tail=1 -l k8s-app=kube-dns").strip()
    conditions = lab.workstation("kubectl get csr -o jsonpath='{.items[*].status.conditions[*].type}'").split()
    assert set(conditions) == {"Approved"}


def test_all_of_it_comes_back_after_a_reboot(lab: Lab, site: None) -> None:
    lab.lab("restart", "k8s").succeeded()
    answers(lab, f"http://site.{BASE}/", "hello from the cluster")
    answers(lab, f"https://site.{BASE}/", "hello from the cluster")
    assert " Ready " in lab.workstation("kubectl get nodes --no-headers")


def test_nothing_is_insecure(lab: Lab) -> None:
    lab.on("k8s", "grep -rn 'skip_verify\\|insecure' /etc/containerd").failed()
    assert "insecureSkipTLSVerify" not in lab.workstation("kubectl get apiservices -o json")
