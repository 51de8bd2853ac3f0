"""The cluster, seen from the workstation."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.lab.driver import DOMAIN, REGISTRY, Lab, difference, eventually

pytestmark = pytest.mark.state("up")
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
    lab.workstation("kubectl delete namespace demo --timeout=120s")


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
    # The cluster's DNS learns of a new Service by its watch. After a restart of the API server, as there was one in
    # test_cluster_settings, that is taken up again within a minute (client-go 0.36.3, tools/cache/reflector.go).
    eventually("the Service's name", lambda: "site.demo.svc" in lab.on("workstation", line).output, 90)
    # Often: among several servers the cluster's DNS chooses at random, and one that knows no name of ours does harm.
    asks = f"for i in 1 2 3 4 5 6 7 8; do getent hosts {REGISTRY} || exit 1; done"
    assert lab.workstation(f"kubectl -n demo exec deployment/site -- sh -c '{asks}'").count("10.77.0.12") == 8


def test_kubelets_certificate_is_the_clusters(lab: Lab) -> None:
    """Logs go through the kubelet's own port, which the API server checks."""
    assert lab.workstation("kubectl -n kube-system logs --tail=1 -l k8s-app=kube-dns").strip()
    conditions = lab.workstation("kubectl get csr -o jsonpath='{.items[*].status.conditions[*].type}'").split()
    assert set(conditions) == {"Approved"}


@pytest.mark.full
def test_control_planes_certificates_are_renewed_before_they_end(lab: Lab) -> None:
    """By a clock that is ten months ahead for the program alone."""
    assert "auto-devops-renew-certificates.timer" in lab.on("k8s", "systemctl list-timers --all").succeeded().output
    ahead = 'case $1 in +%s) echo $(($(/bin/date +%s) + 300 * 86400)) ;; *) exec /bin/date "$@" ;; esac'
    lab.on("k8s", f"mkdir /tmp/ahead && cat >/tmp/ahead/date <<'EOF'\n#!/bin/sh\n{ahead}\nEOF").succeeded()
    lab.on("k8s", "chmod 755 /tmp/ahead/date").succeeded()
    fingerprint = "openssl x509 -noout -fingerprint"
    file = f"{fingerprint} -in /etc/kubernetes/pki/apiserver.crt"
    before = lab.on("k8s", file).succeeded().output
    program = "auto-devops-renew-certificates /etc/kubernetes /var/lib/auto-devops"
    try:
        lab.on("k8s", f"PATH=/tmp/ahead:$PATH {program}").succeeded()
    finally:
        lab.on("k8s", "rm -r /tmp/ahead")
    after = lab.on("k8s", file).succeeded().output
    assert after != before
    served = f"openssl s_client -connect 127.0.0.1:6443 </dev/null 2>/dev/null | {fingerprint}"
    assert lab.on("k8s", served).succeeded().output == after
    assert lab.workstation("kubectl get --raw /readyz") == "ok"
    assert lab.on("k8s", program).succeeded().output == "", "they are new"
    assert set(lab.up().succeeded().changes) == {"unchanged"}


@pytest.mark.full
def test_all_of_it_comes_back_after_a_reboot(lab: Lab, site: None) -> None:
    lab.lab("restart", "k8s").succeeded()
    answers(lab, f"http://site.{BASE}/", "hello from the cluster")
    answers(lab, f"https://site.{BASE}/", "hello from the cluster")
    assert " Ready " in lab.workstation("kubectl get nodes --no-headers")


def test_nothing_is_insecure(lab: Lab) -> None:
    lab.on("k8s", "grep -rn 'skip_verify\\|insecure' /etc/containerd").failed()
    assert "insecureSkipTLSVerify" not in lab.workstation("kubectl get apiservices -o json")


@pytest.mark.full
def test_a_worker_joins_and_leaves_without_a_trace(lab: Lab, site: None) -> None:
    """The name server's machine serves as one for a while; what it is by itself stays."""
    before = lab.snapshot("dns")
    with lab.changed({"kubernetes.workers[0]": "dns"}, undo={"kubernetes.workers": None}):
        lab.up().succeeded()
        assert lab.workstation("kubectl get nodes --no-headers").count(" Ready ") == 2
        assert set(lab.up().succeeded().changes) == {"unchanged"}
        for node in ("k8s", "dns"):
            override = json.dumps({"spec": {"nodeName": node}})
            lab.workstation(f"kubectl -n demo run on-{node} --image={SITE} --overrides='{override}'")
        lab.workstation("kubectl -n demo wait --for=condition=Ready pod/on-k8s pod/on-dns --timeout=90s")
        address = lab.workstation("kubectl -n demo get pod on-dns -o jsonpath='{.status.podIP}'")
        assert "hello" in lab.workstation(f"kubectl -n demo exec on-k8s -- curl -sS --max-time 5 http://{address}")
        address = lab.workstation("kubectl -n demo get pod on-k8s -o jsonpath='{.status.podIP}'")
        assert "hello" in lab.workstation(f"kubectl -n demo exec on-dns -- curl -sS --max-time 5 http://{address}")
        name = "site.demo.svc.cluster.local"
        assert name in lab.workstation(f"kubectl -n demo exec on-dns -- getent hosts {name}")
        lab.workstation("kubectl -n demo delete pod on-k8s on-dns")
    assert lab.workstation("kubectl get nodes --no-headers").count("\n") == 1
    assert difference(before, lab.snapshot("dns")) == {}
    answers(lab, f"http://site.{BASE}/", "hello from the cluster")


@pytest.mark.full
def test_a_version_that_does_not_exist_is_told(lab: Lab) -> None:
    with lab.changed({"kubernetes.version": "1.36.99"}):
        refused = lab.up().failed()
    assert "kubeadm.sha256 not to be had" in refused.output
    assert "check kubernetes.version (1.36.99)" in refused.output
    assert lab.workstation("kubectl get nodes --no-headers").count(" Ready ") == 1


def test_a_skipped_minor_version_is_refused_with_the_reason(lab: Lab) -> None:
    with lab.changed({"kubernetes.version": "1.38.0"}):
        refused = lab.up().failed()
    assert "supports an upgrade by one minor version only" in refused.output
    assert "v1.36.3" in lab.workstation("kubectl get nodes --no-headers")
