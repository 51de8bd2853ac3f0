"""What the user has after `up`, seen from the workstation."""

from __future__ import annotations

import json
import secrets

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions as found
from selenium.webdriver.support.wait import WebDriverWait

from outputs.model import OUTPUTS
from tests.lab.driver import ADDRESSES, DOMAIN, REGISTRY, SERVERS, Lab

pytestmark = pytest.mark.state("up")


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("docker", ADDRESSES["registry"]),
        ("registry", ADDRESSES["registry"]),
        ("gitlab", ADDRESSES["gitlab"]),
        ("k8s", ADDRESSES["k8s"]),
        ("ns", ADDRESSES["dns"]),
        (f"any-{secrets.token_hex(4)}.k8s", ADDRESSES["k8s"]),
    ],
)
def test_names_resolve(lab: Lab, name: str, address: str) -> None:
    assert lab.workstation(f"dig +short {name}.{DOMAIN}").split() == [address]


def test_make_shell_runs_one_command_and_ends_as_it_did(lab: Lab) -> None:
    done = lab.lab("shell", "dns", "--command", "hostname; exit 3")
    assert (done.output, done.status) == ("dns\n", 3)


def test_unknown_names_do_not_resolve(lab: Lab) -> None:
    assert "NXDOMAIN" in lab.workstation(f"dig nothing-there.{DOMAIN}")


@pytest.mark.parametrize("machine", SERVERS)
def test_machines_ask_the_own_name_server(lab: Lab, machine: str) -> None:
    assert ADDRESSES["registry"] in lab.on(machine, f"getent hosts {REGISTRY}").succeeded().output


def test_other_names_are_forwarded(lab: Lab) -> None:
    """The machine's own apt source is a name that somebody else's server knows."""
    uris = lab.workstation("apt-get update --print-uris")
    host = uris.split("//", 1)[1].split("/", 1)[0]
    assert lab.workstation(f"dig +short {host}").strip()


def test_registry_by_https_without_exceptions(lab: Lab) -> None:
    assert lab.workstation(f"curl -sS -o /dev/null -w '%{{http_code}}' https://{REGISTRY}/v2/") == "200"


@pytest.mark.parametrize("machine", SERVERS)
def test_every_machine_trusts_the_registry(lab: Lab, machine: str) -> None:
    lab.on(machine, f"openssl s_client -verify_return_error -brief -connect {REGISTRY}:443 </dev/null").succeeded()


def test_http_redirects(lab: Lab) -> None:
    head = lab.workstation(f"curl -sSI http://{REGISTRY}/some/page")
    assert "301" in head.splitlines()[0]
    assert f"https://{REGISTRY}/some/page" in head


def test_unknown_names_get_no_page(lab: Lab) -> None:
    line = f"curl -sS -o /dev/null -w '%{{http_code}}' --resolve x.{DOMAIN}:443:{ADDRESSES['registry']} https://x.{DOMAIN}/"
    assert lab.workstation(line) == "404"


def test_engine_answers_with_the_client_certificate(lab: Lab) -> None:
    assert lab.workstation("docker version --format '{{.Server.Version}}'").strip()
    assert lab.workstation("docker context inspect --format '{{.Name}}'").strip() == "auto-devops"


def test_engine_refuses_without_a_certificate(lab: Lab) -> None:
    refused = lab.on("workstation", f"curl -sS https://docker.{DOMAIN}:2376/version").failed()
    assert "certificate required" in refused.output or "bad certificate" in refused.output


def test_engine_refuses_a_servers_certificate(lab: Lab) -> None:
    """Whoever takes a server's key must not get the engine with it."""
    line = (
        f"curl -sS --cacert /etc/ssl/certs/ca-certificates.crt --cert /etc/docker/auto-devops/cert.pem "
        f"--key /etc/docker/auto-devops/key.pem https://docker.{DOMAIN}:2376/version"
    )
    refused = lab.on("registry", line).failed()
    assert "certificate" in refused.output


def test_engine_has_no_plain_port(lab: Lab) -> None:
    lab.on("workstation", f"curl -sS --max-time 5 http://docker.{DOMAIN}:2375/version").failed()


def test_push_and_pull_from_the_workstation(lab: Lab, web: str) -> None:
    lab.workstation(f"docker pull -q {web}")
    lab.workstation(f"docker image rm {web}")


def test_push_and_pull_from_gitlabs_machine(lab: Lab, web: str) -> None:
    """Its own engine, which was told of no exception either."""
    line = (
        f"docker pull -q {web} && docker tag {web} {REGISTRY}/demo/from-gitlab:1 && "
        f"docker push -q {REGISTRY}/demo/from-gitlab:1"
    )
    lab.on("gitlab", line).succeeded()
    assert "demo/from-gitlab" in lab.workstation(f"curl -sS https://{REGISTRY}/v2/_catalog")


@pytest.mark.parametrize("machine", ["registry", "gitlab", "workstation"])
def test_nothing_is_insecure(lab: Lab, machine: str) -> None:
    info = lab.on(machine, "docker info --format '{{json .RegistryConfig.InsecureRegistryCIDRs}}'").succeeded().output
    assert json.loads(info.strip().splitlines()[-1]) == ["127.0.0.0/8"], "the engine's own default, and no more"
    assert lab.on(machine, "cat /etc/docker/daemon.json 2>/dev/null").output.find("insecure") == -1


def test_page_lists_and_deletes(lab: Lab, browser: webdriver.Remote) -> None:
    lab.push("demo/page:doomed")
    lab.push("demo/page:kept")
    browser.get(f"https://{REGISTRY}/")
    wait = WebDriverWait(browser, 30)
    repository = wait.until(found.visibility_of_element_located((By.CSS_SELECTOR, "[data-repository='demo/page']")))
    assert "demo/page" in repository.text
    browser.get(f"https://{REGISTRY}/#/repository/demo/page")
    doomed = (By.CSS_SELECTOR, "[data-tag='doomed']")
    row = wait.until(found.visibility_of_element_located(doomed))
    wait.until(lambda _: row.get_attribute("data-digest"))
    row.find_element(By.CSS_SELECTOR, "[data-action='delete']").click()
    wait.until(found.element_to_be_clickable((By.CSS_SELECTOR, "[data-action='confirm-delete']"))).click()
    wait.until(found.invisibility_of_element_located(doomed))
    assert browser.find_element(By.CSS_SELECTOR, "[data-tag='kept']").is_displayed()
    tags = json.loads(lab.workstation(f"curl -sS https://{REGISTRY}/v2/demo/page/tags/list"))["tags"]
    assert tags == ["kept"]


def test_outputs_are_ready_to_use(lab: Lab) -> None:
    outputs = lab.outputs()
    assert set(outputs) == {output.name for output in OUTPUTS.values()}, "stack dev has all that there is"
    assert outputs["addresses"] == ADDRESSES
    assert outputs["dockerEndpoint"] == f"tcp://docker.{DOMAIN}:2376"
    assert "PRIVATE KEY" in outputs["dockerClient"]["key"]


def test_secrets_are_hidden_and_encrypted(lab: Lab) -> None:
    token = lab.outputs()["gitlabToken"]
    outputs = lab.pulumi("stack", "output", "--json").succeeded().output
    state = lab.pulumi("stack", "export").succeeded().output
    for secret in ("PRIVATE KEY", token, "glrt-", "gldt-", "eyJhbGciOi"):
        assert secret not in outputs, secret
        assert secret not in state, secret
    assert "ciphertext" in state


@pytest.mark.parametrize("machine", SERVERS)
def test_keys_on_machines_are_roots_alone(lab: Lab, machine: str) -> None:
    # In the file systems of containers is what their images have.
    files = "grep -rlsI 'PRIVATE KEY' --exclude-dir=containerd /etc /run /var/lib/auto-devops /usr/local 2>/dev/null"
    line = f"{files} | xargs -r stat -c '%a %U %n'"
    for found_key in lab.on(machine, line).output.splitlines():
        assert found_key.startswith("600 root "), found_key
