"""The control plane's certificates are renewed in time."""

from __future__ import annotations

import base64
import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.scripts.kubernetes.node import SCRIPTS
from tests.scripts.machine import Machine

RENEW = SCRIPTS / "renew-certificates.sh"
PODS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(left: float, days: float = 365) -> str:
    """A certificate for so many days, of which so many are left; PEM."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes-admin")])
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=left)
    made = x509.CertificateBuilder(name, name, KEY.public_key(), 1, end - datetime.timedelta(days=days), end)
    return made.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def kubeconfig(left: float) -> str:
    """What kubeadm writes, as far as it matters here."""
    data = base64.b64encode(certificate(left).encode()).decode()
    return f"users:\n- name: kubernetes-admin\n  user:\n    client-certificate-data: {data}\n"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A control plane whose certificates are new. What a container is killed for, its kubelet starts anew."""
    machine = Machine(tmp_path / "machine")
    kubernetes = machine.root / "kubernetes"
    for directory in ("pki/etcd", "manifests"):
        (kubernetes / directory).mkdir(parents=True)
    for name in ("pki/apiserver.crt", "pki/etcd/server.crt"):
        (kubernetes / name).write_text(certificate(360))
    for name in ("pki/ca.crt", "pki/front-proxy-ca.crt", "pki/etcd/ca.crt"):
        (kubernetes / name).write_text(certificate(3, 3650))
    for name in ("admin.conf", "scheduler.conf"):
        (kubernetes / name).write_text(kubeconfig(360))
    for name in PODS:
        (kubernetes / f"manifests/{name}.yaml").touch()
        (machine.root / f"runs-{name}").write_text(f"{name}-1\n")
    (machine.root / "renewed").write_text(certificate(365))
    (machine.root / "renewed.conf").write_text(kubeconfig(365))
    machine.fake(
        "kubeadm",
        f"""for f in {kubernetes}/pki/{{apiserver,etcd/server}}.crt; do cp {machine.root}/renewed $f; done
        for f in {kubernetes}/*.conf; do cp {machine.root}/renewed.conf $f; done""",
    )
    machine.fake("kubectl", "")
    machine.fake(
        "ctr",
        f"""case "$*" in
        "-n k8s.io tasks ls")
          echo "TASK PID STATUS"; sed 's/$/ 1 RUNNING/' {machine.root}/runs-*; echo "gone 2 STOPPED" ;;
        "-n k8s.io containers ls -q "*) cat {machine.root}/runs-${{6##*==}}; echo gone ;;
        "-n k8s.io tasks kill -s SIGTERM "*)
          name=${{7%-*}}; echo "$name-$((${{7##*-}} + 1))" >{machine.root}/runs-$name ;;
        *) echo "ctr $* is not known here" >&2; exit 1 ;;
        esac""",
    )
    return machine


def renew(machine: Machine) -> list[str]:
    """Runs the program; which containers it ended."""
    before = len(machine.calls)
    result = machine.program(RENEW, f"{machine.root}/kubernetes", f"{machine.root}/state")
    assert result.returncode == 0, result.stdout + result.stderr
    calls = machine.calls[before:]
    return [call.rsplit(" ", 1)[-1] for call in calls if " tasks kill " in call]


def test_nothing_happens_to_certificates_that_are_good_for_months(machine: Machine) -> None:
    """The CAs are nobody's business here, though they end soon."""
    assert renew(machine) == []
    assert machine.calls == []


@pytest.mark.parametrize("name", ["pki/apiserver.crt", "pki/etcd/server.crt", "admin.conf", "scheduler.conf"])
@pytest.mark.parametrize("left", [90, -1])
def test_one_that_ends_soon_renews_all_and_the_control_plane_takes_them(machine: Machine, name: str, left: int) -> None:
    file = machine.root / "kubernetes" / name
    file.write_text(kubeconfig(left) if name.endswith(".conf") else certificate(left))
    assert renew(machine) == [f"{pod}-1" for pod in PODS]
    assert "kubeadm certs renew all" in machine.calls
    assert machine.calls[-1] == "kubectl get --raw /readyz"
    assert renew(machine) == [], "once is enough"


def test_short_lives_are_not_renewed_at_every_run(machine: Machine) -> None:
    """kubeadm's certificateValidityPeriod."""
    (machine.root / "kubernetes/pki/apiserver.crt").write_text(certificate(20, 30))
    assert renew(machine) == []
    (machine.root / "kubernetes/pki/apiserver.crt").write_text(certificate(7, 30))
    assert renew(machine) != []


def test_a_renewal_killed_before_the_restart_is_finished_by_the_next_run(machine: Machine) -> None:
    (machine.root / "kubernetes/pki/apiserver.crt").write_text(certificate(1))
    machine.fake("kubectl", 'kill -9 "$PPID"; exit 1')  # it is killed while it waits for the API server
    result = machine.program(RENEW, f"{machine.root}/kubernetes", f"{machine.root}/state")
    assert result.returncode != 0
    machine.fake("kubectl", "")
    assert renew(machine) == ["etcd-2", "kube-apiserver-2", "kube-controller-manager-1", "kube-scheduler-1"]
    assert renew(machine) == []
