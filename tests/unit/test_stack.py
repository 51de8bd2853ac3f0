"""The whole program, as registered with the engine: wiring, parents, secrets, order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.unit import recording
from tests.unit.program import ROOT, Run, good_settings, unpacked
from tests.unit.recording import Recorder, contains_secret, plain

COMMAND = "command:remote:Command"
# The one command by the old port of a machine whose sshd moves: it must never run again; see Host.
ONCE = "gitlab-sshd"
CONTAINER = "docker:index/container:Container"


def files(recorder: Recorder, name: str) -> dict[str, str]:
    """What the command called `name` gets by standard input."""
    return unpacked(recorder.one(name, COMMAND))


def test_every_child_has_its_component_as_parent(good_stack: Recorder) -> None:
    components = {r.name for r in good_stack.everything if r.type.startswith("auto-devops:index:")}
    for resource in good_stack.everything:
        if resource.type.startswith("auto-devops:index:"):
            continue
        assert resource.parent in components, f"{resource.name} hangs on {resource.parent}"
        assert resource.name.startswith(resource.parent), resource.name


def test_components_of_the_design_are_there(good_stack: Recorder) -> None:
    kinds = {r.type.rsplit(":", 1)[-1] for r in good_stack.everything if r.type.startswith("auto-devops:index:")}
    assert kinds == {"Host", "CA", "DNS", "DockerEngine", "RegistryHost", "GitLabServer", "GitLabRunner", "K8sNode"}


def test_every_script_waits_for_its_machines_trust_but_those_that_come_before(good_stack: Recorder, keys: Path) -> None:
    """A host and its trust come first; the name server needs none."""
    kinds = {r.name: r.type.rpartition(":")[2] for r in good_stack.everything if r.type.startswith("auto-devops:")}
    machines = {machine["address"]: name for name, machine in good_settings(keys)["hosts"].items()}
    found = 0
    for command in good_stack.of_type(COMMAND):
        trust = [name for name in command.dependencies if name.startswith("ca-trust-")]
        if kinds[command.parent] in ("Host", "CA", "DNS"):
            assert not trust, command.name
        else:
            address = plain(command.inputs["connection"])["host"]
            assert trust == [f"ca-trust-{machines[address]}"], command.name
            found += 1
    assert found > 10


def test_components_register_their_outputs(good_stack: Recorder) -> None:
    missing = [r.name for r in good_stack.everything if r.type.startswith("auto-devops:index:") and not r.outputs]
    assert missing == []


def test_every_machine_trusts_the_ca_and_asks_the_name_server(good_stack: Recorder) -> None:
    for machine in ("dns", "registry", "gitlab", "k8s"):
        assert f"{machine}-ready" in good_stack.one(f"ca-trust-{machine}").dependencies
        assert "ca-root" in good_stack.one(f"ca-trust-{machine}").dependencies
        assert "dns-zone" in good_stack.one(f"dns-resolver-{machine}").dependencies


def test_engines_start_only_where_the_ca_is_trusted(good_stack: Recorder) -> None:
    assert "ca-trust-registry" in good_stack.one("registry-host-docker-engine").dependencies
    assert "ca-trust-gitlab" in good_stack.one("gitlab-server-docker-engine").dependencies


def test_machines_do_not_wait_for_each_other(good_stack: Recorder) -> None:
    """The registry's engine and GitLab's, and the name server, are installed at the same time."""
    for name, others in {
        "registry-host-docker-engine": ("dns-", "gitlab-", "k8s-"),
        "gitlab-server-docker-engine": ("dns-", "registry-", "k8s-"),
        "dns-zone": ("registry-", "gitlab-", "k8s-"),
    }.items():
        waits = [d for d in good_stack.one(name).dependencies if d.startswith(others)]
        assert waits == [], f"{name} waits for {waits}"


def test_every_command_is_run_again_in_place_and_has_a_removal(good_stack: Recorder) -> None:
    for command in good_stack.of_type(COMMAND):
        assert command.inputs["update"] == command.inputs["create"], command.name
        # They would replace the resource, whose removal would take away what was just made; see Host._command.
        assert "triggers" not in command.inputs, command.name
        assert (command.name == ONCE) != bool(command.inputs.get("delete")), f"{command.name} leaves something behind"


def test_repair_runs_every_script_again(other_stack: Recorder) -> None:
    for command in other_stack.of_type(COMMAND):
        if command.name == ONCE:
            assert "triggers" not in files(other_stack, ONCE)
            continue
        assert files(other_stack, command.name)["triggers"].startswith("2026-11-24"), command.name


def test_connections_are_secret_and_pinned(good_stack: Recorder) -> None:
    for command in good_stack.of_type(COMMAND):
        connection = plain(command.inputs["connection"])
        assert contains_secret(command.inputs["connection"]), command.name
        assert connection["hostKey"].startswith("ecdsa-sha2-nistp256 "), command.name


def test_no_secret_is_on_a_command_line(good_stack: Recorder) -> None:
    """Nothing secret may flow into a command, where `ps` shows it, nor a log."""
    for command in good_stack.of_type(COMMAND):
        for key in {"create", "update", "delete"} & command.inputs.keys():
            assert not contains_secret(command.inputs[key]), f"{command.name}.{key}"
            assert "KEY " not in command.inputs[key], f"{command.name}.{key}"
        assert command.inputs["logging"] == "stderr"
        assert command.inputs["addPreviousOutputInEnv"] is False


def test_private_keys_travel_as_secrets(good_stack: Recorder) -> None:
    seen = 0
    for resource in good_stack.everything:
        for key, value in resource.inputs.items():
            if "KEY " in json.dumps(plain(value)):
                seen += 1
                assert contains_secret(value), f"{resource.name}.{key}"
    assert seen >= 10


def test_keys_in_bundles_are_secret(good_stack: Recorder) -> None:
    engine = good_stack.one("registry-host-docker-engine")
    assert "KEY registry-host-docker-server" in files(good_stack, "registry-host-docker-engine")["files/key.pem"]
    assert contains_secret(engine.inputs["stdin"])


def test_sudo_only_where_the_user_is_not_root(good_stack: Recorder) -> None:
    assert good_stack.one("ca-trust-gitlab").inputs["create"].startswith("sudo -n env ")
    assert " sudo -n env " in good_stack.one("gitlab-ready").inputs["create"]
    for name in ("registry-ready", "ca-trust-registry"):
        assert good_stack.one(name).inputs["create"].startswith("env ")


def test_containers_are_on_the_stacks_own_engines(good_stack: Recorder) -> None:
    for container in good_stack.of_type(CONTAINER):
        engine = "gitlab-server-engine" if container.name.startswith("gitlab-") else "registry-host-engine"
        assert container.provider == engine, container.name
        assert container.delete_before_replace, f"{container.name} could not come while the old one has its name"
    for name, address in {"registry-host": "192.168.80.112", "gitlab-server": "192.168.80.113"}.items():
        provider = good_stack.one(f"{name}-engine")
        assert provider.inputs["host"] == f"tcp://{address}:2376"
        assert contains_secret(provider.inputs["keyMaterial"])
        assert f"{name}-docker-engine" in provider.dependencies


def test_pushed_images_are_in_a_volume_of_their_own(good_stack: Recorder) -> None:
    volumes = good_stack.one("registry-host-registry").inputs["volumes"]
    assert volumes == [{"volumeName": "auto-devops-registry", "containerPath": "/var/lib/registry"}]


def test_docker_clients_are_checked_against_their_own_root(good_stack: Recorder) -> None:
    """Server certificates, and those of a CA brought along, must not open the engine."""
    assert files(good_stack, "registry-host-docker-engine")["files/ca.pem"] == "CERT ca-clients-root\n"
    client = good_stack.one("registry-host-client-certificate").inputs
    assert client["caCertPem"] == "CERT ca-clients-root\n"
    assert client["allowedUses"] == ["digital_signature", "client_auth"]
    server = good_stack.one("registry-host-docker-server-certificate").inputs
    assert server["caCertPem"] == "CERT ca-root\n"
    assert "client_auth" not in server["allowedUses"]


def test_a_client_of_one_engine_is_none_of_the_other(good_stack: Recorder) -> None:
    """Every job has a certificate for the shared engine; with it on GitLab's, it would be root on GitLab's machine."""
    roots = {"registry-host": "CERT ca-clients-root\n", "gitlab-server": "CERT ca-gitlab-clients-root\n"}
    for name, root in roots.items():
        assert files(good_stack, f"{name}-docker-engine")["files/ca.pem"] == root
        assert good_stack.one(f"{name}-client-certificate").inputs["caCertPem"] == root
        provider = good_stack.one(f"{name}-engine").inputs
        assert provider["certMaterial"] == f"CERT {name}-client-certificate\n"
    issued = good_stack.of_type("tls:index/locallySignedCert:LocallySignedCert")
    assert [c.name for c in issued if c.inputs["caCertPem"] == roots["gitlab-server"]] == [
        "gitlab-server-client-certificate"
    ]
    subjects = {
        r.name: plain(r.inputs["subject"]) for r in good_stack.of_type("tls:index/selfSignedCert:SelfSignedCert")
    }
    assert subjects["ca-clients-root"] == {
        "commonName": "devops.example.com Docker clients",
        "organization": "auto-devops",
    }, "existing stacks keep theirs"
    assert subjects["ca-gitlab-clients-root"]["commonName"] == "gitlab.devops.example.com Docker clients"


def test_certificates_carry_wildcards_and_addresses(good_stack: Recorder) -> None:
    request = good_stack.one("registry-host-wildcard-request").inputs
    assert request["dnsNames"] == ["*.devops.example.com", "devops.example.com", "*.k8s.devops.example.com"]
    assert request["ipAddresses"] == ["192.168.80.112"]
    engine = good_stack.one("registry-host-docker-server-request").inputs
    assert (engine["dnsNames"], engine["ipAddresses"]) == (["docker.devops.example.com"], ["192.168.80.112"])


def test_certificates_renew_before_their_end(good_stack: Recorder) -> None:
    for certificate in good_stack.of_type("tls:index/locallySignedCert:LocallySignedCert"):
        assert certificate.inputs["validityPeriodHours"] == 365 * 24
        assert certificate.inputs["earlyRenewalHours"] == 30 * 24
    for root in good_stack.of_type("tls:index/selfSignedCert:SelfSignedCert"):
        assert "earlyRenewalHours" not in root.inputs, "a renewed root would have to be trusted again everywhere"


def test_plain_port_is_closed_unless_asked_for(good_stack: Recorder, other_stack: Recorder) -> None:
    name = "registry-host-docker-engine"
    assert not [file for file in files(good_stack, name) if "plain" in file]
    opened = files(other_stack, name)
    assert "ListenStream=2375" in opened["files/auto-devops-docker-plain.socket"]


def test_rsa_by_choice(other_stack: Recorder) -> None:
    keys = other_stack.of_type("tls:index/privateKey:PrivateKey")
    assert {(k.inputs["algorithm"], k.inputs["rsaBits"]) for k in keys} == {("RSA", 2048)}


def test_login_is_a_secret_and_checked(other_stack: Recorder) -> None:
    registry = other_stack.one("registry-host-registry")
    assert "REGISTRY_AUTH=htpasswd" in registry.inputs["envs"]
    assert contains_secret(registry.inputs["uploads"])
    assert "WANTED=401" in other_stack.one("registry-host-verify").inputs["create"]
    assert "correct horse" not in json.dumps([plain(r.inputs) for r in other_stack.everything])


def test_images_are_pulled_through_the_mirror(other_stack: Recorder) -> None:
    names = [image.inputs["name"] for image in other_stack.of_type("docker:index/remoteImage:RemoteImage")]
    assert names and all(name.startswith("mirror.corp:5000/") for name in names), names
    options = json.loads(files(other_stack, "gitlab-server-docker-engine")["files/options.json"])
    assert options["registry-mirrors"] == ["https://mirror.corp:5000"]


def test_without_an_own_name_server_nobodys_resolver_changes(bare_stack: Recorder) -> None:
    assert not [r.name for r in bare_stack.everything if "resolver" in r.name or r.name == "dns-zone"]


def test_one_machine_fewer_is_fine(run_program: Run, good: dict[str, Any]) -> None:
    """Two machines are a registry with names."""
    for name in ("gitlab", "k8s"):
        del good["hosts"][name]
    del good["gitlab"], good["kubernetes"]
    recorder = run_program(good)
    assert "gitlab" not in files(recorder, "dns-zone")["files/zone"]


def test_only_the_first_commands_explain_sudo(good_stack: Recorder) -> None:
    explaining = {c.name for c in good_stack.of_type(COMMAND) if "no-root.sh" in c.inputs["create"]}
    assert explaining == {"gitlab-sshd", "gitlab-ready"}
    for name in explaining:
        assert "files/no-root.sh" in files(good_stack, name)


def test_only_the_registrys_engine_prunes(good_stack: Recorder) -> None:
    assert [c.name for c in good_stack.of_type(COMMAND) if c.name.endswith("-prune")] == ["registry-host-docker-prune"]
    unit = files(good_stack, "registry-host-docker-prune")["files/auto-devops-docker-prune.service"]
    assert (
        "/auto-devops-docker-prune 7 10GB registry.devops.example.com/auto-devops/* docker.io/library/golang:" in unit
    )
    assert "docker.io/library/debian:bookworm-slim" in unit, "services' images begin with it"


def test_pruning_can_be_switched_off(other_stack: Recorder) -> None:
    assert not [c for c in other_stack.of_type(COMMAND) if c.name.endswith("-prune")]


def test_without_projects_there_is_a_runner_and_no_images(good_stack: Recorder) -> None:
    assert good_stack.one("gitlab-runner-container", "docker:index/container:Container")
    assert not [r.name for r in good_stack.everything if r.name.startswith(("ci-images", "project-", "group-"))]


def test_without_projects_there_is_nothing_to_run_in_the_cluster(other_stack: Recorder) -> None:
    assert other_stack.one("kubernetes-runner", "auto-devops:index:KubernetesRunner")
    assert not [r for r in other_stack.of_type("kubernetes:helm.sh/v3:Release") if r.parent == "kubernetes-runner"]


def test_nothing_in_the_program_knows_the_lab() -> None:
    sources = [ROOT / "__main__.py", *(ROOT / "settings").glob("*.py"), *(ROOT / "components").rglob("*.*")]
    assert len(sources) > 20
    for source in sources:
        if source.suffix in (".py", ".sh", ".j2"):
            words = source.read_text()
            for innocent in ("available", "label", "LABEL", "gitlab"):
                words = words.replace(innocent, "")
            assert "lab/" not in words and "the lab" not in words and "10.77.0." not in words, source


def test_recorder_tells_secrets_from_others() -> None:
    """The helper itself: a test that asks it about secrets must be able to fail."""
    assert contains_secret({"a": [recording.Secret("x")]})
    assert not contains_secret({"a": ["x"]})
