"""What people change later: verified by what is running, not by what was written."""

from __future__ import annotations

import json
import secrets

import pytest

from tests.lab.driver import DOMAIN, REGISTRY, Lab, eventually
from tests.lab.people import PING, Person, answers, passed

pytestmark = pytest.mark.state("up")
PROJECT = "demo/custom"


def serial(lab: Lab) -> int:
    return int(lab.workstation(f"dig +short @10.77.0.11 {DOMAIN} SOA").split()[2])


def catalog(lab: Lab) -> list[str]:
    return list(json.loads(lab.workstation(f"curl -sS https://{REGISTRY}/v2/_catalog"))["repositories"])


def fingerprint(lab: Lab, port: int) -> str:
    line = (
        f"openssl s_client -connect 10.77.0.12:{port} </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256"
    )
    return lab.workstation(line).strip()


def test_a_record_is_added_and_the_serial_grows(lab: Lab) -> None:
    before = serial(lab)
    with lab.changed({"dns.records.wiki": "10.77.0.99"}):
        assert lab.up().succeeded().changes["update"] == 1
        assert lab.workstation(f"dig +short @10.77.0.11 wiki.{DOMAIN}").strip() == "10.77.0.99"
        during = serial(lab)
        assert during > before
    assert lab.workstation(f"dig +short @10.77.0.11 wiki.{DOMAIN}").strip() == ""
    assert serial(lab) > during


def test_a_bad_zone_never_replaces_a_good_one(lab: Lab) -> None:
    """A name of four longest labels is right by itself and too long together with the domain: only BIND can say so."""
    before = serial(lab)
    name = ".".join(["a" * 63] * 4)
    with lab.changed({f'dns.records["{name}"]': "10.77.0.99"}):
        refused = lab.up().failed()
        assert "a zone that named-checkzone refuses" in refused.output
        assert "the one being served stays" in refused.output
        assert serial(lab) == before
        assert lab.workstation(f"dig +short @10.77.0.11 {REGISTRY}").strip() == "10.77.0.12"


def test_a_replaced_registry_keeps_the_images(lab: Lab, web: str) -> None:
    before = catalog(lab)
    assert "demo/web" in before
    container = "docker inspect --format '{{.Id}}' registry"
    old = lab.on("registry", container).succeeded().output
    with lab.changed({"registry.allowDeletion": "false"}):
        assert lab.up().succeeded().changes.get("replace", 0) >= 1
        assert lab.on("registry", container).succeeded().output != old
        eventually("the registry", lambda: lab.on("workstation", f"curl -sSf https://{REGISTRY}/v2/").status == 0)
        assert catalog(lab) == before
        head = f"curl -sSI -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' https://{REGISTRY}/v2/demo/web/manifests/1"
        digest = lab.workstation(f"{head} | tr -d '\\r' | sed -n 's/^docker-content-digest: //Ip'").strip()
        delete = (
            f"curl -sS -o /dev/null -w '%{{http_code}}' -X DELETE https://{REGISTRY}/v2/demo/web/manifests/{digest}"
        )
        assert lab.workstation(delete) == "405"
    assert catalog(lab) == before


@pytest.mark.full
def test_certificates_are_reissued_without_a_new_root(lab: Lab, web: str) -> None:
    root = lab.outputs()["caCertificate"]
    before = {port: fingerprint(lab, port) for port in (443, 2376)}
    with lab.changed({"ca.certificateDays": 200}):
        lab.up().succeeded()
        after = {port: fingerprint(lab, port) for port in (443, 2376)}
        assert all(after[port] != before[port] for port in before), "the running services still show the old ones"
        assert lab.outputs()["caCertificate"] == root
        assert lab.workstation(f"curl -sS -o /dev/null -w '%{{http_code}}' https://{REGISTRY}/v2/") == "200"
        # The client's certificate is a new one too; the old one, which the workstation still has, stays valid.
        lab.workstation("docker version")
        assert "demo/web" in catalog(lab)


@pytest.mark.full
def test_login(lab: Lab, dev: Person, web: str) -> None:
    """People have to log in, and pushes still arrive: jobs and the cluster have the login."""
    with lab.changed({"registry.login.username": "ci"}, undo={"registry.login": None}):
        lab.config("registry.login.password", "correct horse", secret=True)
        lab.up().succeeded()
        status = f"curl -sS -o /dev/null -w '%{{http_code}}' https://{REGISTRY}/v2/_catalog"
        assert lab.workstation(status) == "401"
        assert lab.workstation(f"{status} -u ci:wrong") == "401"
        assert lab.workstation(f"{status} -u 'ci:correct horse'") == "200"
        denied = lab.on("workstation", f"docker pull -q {web}").failed()
        assert "no basic auth credentials" in denied.output
        lab.workstation(f"printf 'correct horse' | docker login -u ci --password-stdin {REGISTRY}")
        lab.workstation(f"docker pull -q {web} && docker image rm {web}")
        assert "correct horse" not in lab.pulumi("stack", "export").succeeded().output
        said = f"with a login, {secrets.token_hex(3)}"
        change = PING.format(answer=said)
        logs = passed(lab, PROJECT, dev.pushes(dev.clones(PROJECT), change, "An answer by a registry with a login"))
        assert not [job for job, log in logs.items() if "correct horse" in log]
        answers(lab, PROJECT, said)
        assert set(lab.up().succeeded().changes) == {"unchanged"}
    lab.workstation(f"docker logout {REGISTRY}")


@pytest.mark.full
def test_plain_port_opens_only_by_setting_and_closes_again(lab: Lab) -> None:
    version = f"curl -sS --max-time 5 http://docker.{DOMAIN}:2375/version"
    with lab.changed({"docker.unprotectedTcp2375": "true"}):
        for _ in range(2):
            assert "whoever reaches 10.77.0.12:2375 is root there" in lab.up().succeeded().output
        assert "ApiVersion" in lab.workstation(version)
    lab.on("workstation", version).failed()


def test_drift_is_seen_and_mended(lab: Lab) -> None:
    lab.on("registry", "docker rm -f registry-ui").succeeded()
    assert lab.pulumi("refresh", "--yes", "--skip-preview").succeeded().changes.get("delete") == 1
    assert lab.up().succeeded().changes["create"] == 1
    eventually("the page", lambda: "200" in lab.on("workstation", f"curl -sSI https://{REGISTRY}/").output)


@pytest.mark.full
def test_what_was_changed_by_hand_is_repaired(lab: Lab) -> None:
    lab.on("dns", "rm /etc/bind/auto-devops/zone; systemctl restart named")
    lab.on("gitlab", "echo 'nameserver 192.0.2.1' >/etc/resolv.conf").succeeded()
    lab.on(
        "registry", "rm /usr/local/share/ca-certificates/auto-devops.crt && update-ca-certificates --fresh"
    ).succeeded()
    assert set(lab.up().succeeded().changes) == {"unchanged"}, "the command plugin cannot see it"
    with lab.changed({"repair": "by the test"}):
        lab.up().succeeded()
        assert lab.workstation(f"dig +short @10.77.0.11 {REGISTRY}").strip() == "10.77.0.12"
        assert "10.77.0.12" in lab.on("gitlab", f"getent hosts {REGISTRY}").succeeded().output
        assert lab.on("registry", f"curl -sSf https://{REGISTRY}/v2/").succeeded()


def test_garbage_collection_frees_what_was_deleted(lab: Lab, web: str) -> None:
    """Run as the timer runs it."""
    size = "du -sk $(docker volume inspect --format '{{.Mountpoint}}' auto-devops-registry) | cut -f1"
    base = lab.workstation("docker image ls -q | tail -n 1").strip()
    name = f"{REGISTRY}/demo/garbage:1"
    build = f"printf 'FROM {base}\\nRUN head -c 20000000 /dev/urandom >/garbage\\n' | docker build -q -t {name} -"
    lab.workstation(f"{build} && docker push -q {name} && docker image rm {name}")
    accept = "Accept: application/vnd.docker.distribution.manifest.v2+json"
    url = f"https://{REGISTRY}/v2/demo/garbage/manifests"
    digest = lab.workstation(
        f"curl -sSI -H '{accept}' {url}/1 | tr -d '\\r' | sed -n 's/^docker-content-digest: //Ip'"
    ).strip()
    full = int(lab.on("registry", size).succeeded().output)
    assert lab.workstation(f"curl -sS -o /dev/null -w '%{{http_code}}' -X DELETE {url}/{digest}") == "202"
    lab.on("registry", "systemctl start auto-devops-registry-gc.service").succeeded()
    assert int(lab.on("registry", size).succeeded().output) < full - 15000
    eventually("the registry", lambda: lab.on("workstation", f"curl -sSf https://{REGISTRY}/v2/").status == 0)
    lab.workstation(f"docker pull -q {web} && docker image rm {web}")
    assert "auto-devops-registry-gc.timer" in lab.on("registry", "systemctl list-timers --no-pager").output


@pytest.mark.full
def test_what_pushes_leave_goes_from_the_engines_disk(lab: Lab) -> None:
    """Run as the timer runs it; the engine's memory of one image is made older."""
    base = lab.workstation("docker image ls -q | tail -n 1").strip()
    for name in ("old", "new"):
        lab.workstation(f"printf 'FROM {base}\\nLABEL is={name}\\n' | docker build -q -t {REGISTRY}/demo/{name}:1 -")
    platforms = sorted(lab.workstation(f"docker image ls -q '{REGISTRY}/auto-devops/*'").split())
    assert platforms
    lab.on(
        "registry",
        f"id=$(docker image inspect --format '{{{{.Id}}}}' {REGISTRY}/demo/old:1 | cut -d: -f2) && "
        "cd /var/lib/docker/image/*/imagedb && touch -d '30 days ago' content/sha256/$id && "
        "printf 2020-01-01T00:00:00Z >metadata/sha256/$id/lastUpdated",
    ).succeeded()
    try:
        lab.on("registry", "systemctl start auto-devops-docker-prune.service").succeeded()
        left = lab.workstation("docker image ls --format '{{.Repository}}' | sort -u").split()
        assert f"{REGISTRY}/demo/old" not in left
        assert f"{REGISTRY}/demo/new" in left
        assert sorted(lab.workstation(f"docker image ls -q '{REGISTRY}/auto-devops/*'").split()) == platforms
    finally:
        lab.on("workstation", f"docker image rm {REGISTRY}/demo/new:1 {REGISTRY}/demo/old:1")
    assert "auto-devops-docker-prune.timer" in lab.on("registry", "systemctl list-timers --no-pager").output
