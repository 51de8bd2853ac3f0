"""What the whole program registers, all of it, for stacks that are unlike each other.

The files beside this one's snapshots say which resource, called how, below which parent, with which inputs and outputs,
and which bytes each script has on its way to a machine. A move inside the program changes none of them; what a feature
changes on purpose shows in its commit. A resource that is renamed or moved to another parent would be replaced in every
stack that is there already: its volume, namespace, group or project with it.
"""

from __future__ import annotations

import datetime
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from tests.unit.program import CA_USAGE, ROOT, TODAY, Run, good_settings, unpacked
from tests.unit.recording import Recorder, Registered, Secret


def _plain_stack(settings: dict[str, Any], _directory: Path) -> list[str]:
    """Registry, GitLab and a cluster, everything by default."""
    return []


def _projects_by_kubeconfig(settings: dict[str, Any], _directory: Path) -> list[str]:
    """Both kinds of project, with variables and secrets; jobs beside GitLab; a login at the registry."""
    settings["projects"] = [
        {
            "group": "team",
            "name": "hello",
            "pipeline": "custom",
            "source": str(ROOT / "services/hello-custom"),
            "variables": {"GREETING": "hello"},
            "secrets": {"API_KEY": "correct-horse"},
        },
        {"group": "team", "name": "site", "pipeline": "auto", "branch": "trunk", "keepRepository": False},
    ]
    settings["registry"]["login"] = {"username": "ci", "password": "correct horse"}
    settings["ci"] = {"goProxy": "https://mirror.corp/go", "concurrent": 3}
    return ["registry", "projects"]


def _projects_by_agent(settings: dict[str, Any], directory: Path) -> list[str]:
    """Jobs in the cluster, which they reach by GitLab's agent; workers; mirrors with a CA of their own."""
    settings["hosts"]["worker"] = {"address": "192.168.80.97", "hostKey": _host_key()}
    settings["kubernetes"] |= {
        "workers": ["worker"],
        "ingressPorts": "redirect",
        "containerd": {"restrict_oom_score_adj": True},
        "kubeadm": {
            "InitConfiguration": {"nodeRegistration": {"ignorePreflightErrors": ["Swap"]}},
            "JoinConfiguration": {"nodeRegistration": {"ignorePreflightErrors": ["Swap"]}},
            "KubeletConfiguration": {"failSwapOn": False},
        },
    }
    settings["projects"] = [
        {"group": "team", "name": "hello", "pipeline": "custom", "source": str(ROOT / "services/hello-custom")},
        {"group": "other", "name": "site", "pipeline": "auto", "source": str(ROOT / "services/hello-auto")},
    ]
    settings["ci"] = {"runner": "kubernetes", "clusterLink": "agent"}
    settings["mirrors"] = {
        "images": dict.fromkeys(("docker.io", "registry.k8s.io", "registry.gitlab.com"), "mirror.corp:5000"),
        "kubernetes": "https://mirror.corp/k8s",
        "cni": "https://mirror.corp/cni",
        "gitlabCharts": "https://mirror.corp/gitlab-charts",
        "caCertificateFile": str(_ca(directory, "mirror")[0]),
    }
    return []


def _of_ones_own(settings: dict[str, Any], directory: Path) -> list[str]:
    """A CA brought along, names by somebody else, ports and sizes that are not the default."""
    certificate, key = _ca(directory, "own")
    settings["repair"] = "2026-11-24"
    settings["ca"] = {"algorithm": "RSA", "own": {"certificateFile": str(certificate), "keyFile": str(key)}}
    settings["dns"] = {"provider": "none"}
    settings["docker"] = {"unprotectedTcp2375": True, "prune": {"enabled": False}}
    settings["registry"] |= {
        "uiTitle": "Ours",
        "allowDeletion": False,
        "garbageCollection": {"schedule": "Sun *-*-* 02:00:00", "deleteUntagged": False},
    }
    settings["gitlab"] |= {
        "memory": "constrained",
        "keepData": True,
        "dataDirectory": "/data/gitlab",
        "registryPort": 5050,
        "machineSshPort": 2200,
        "tokenDays": 30,
        "lfs": False,
        "kas": False,
    }
    settings["kubernetes"] |= {"ingressPorts": "nodePort"}
    return []


def _without_cluster(settings: dict[str, Any], _directory: Path) -> list[str]:
    """Two machines: a registry with names, and with more of them than the platform needs."""
    for name in ("gitlab", "k8s"):
        del settings["hosts"][name]
    del settings["gitlab"], settings["kubernetes"]
    settings["dns"] |= {"records": {"wiki": "192.168.80.200"}, "forwarders": ["192.168.80.1"], "ttl": 60}
    return []


STACKS: dict[str, Callable[[dict[str, Any], Path], list[str]]] = {
    "plain": _plain_stack,
    "projects-by-kubeconfig": _projects_by_kubeconfig,
    "projects-by-agent": _projects_by_agent,
    "of-ones-own": _of_ones_own,
    "without-cluster": _without_cluster,
}


@pytest.mark.parametrize("stack", STACKS)
def test_registrations(stack: str, run_program: Run, keys: Path, tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    settings = good_settings(keys)
    secret_keys = STACKS[stack](settings, tmp_path)
    recorder = run_program(settings, secret_keys)
    found = _described(recorder, recorder.exported, _replacements(keys, tmp_path))
    assert found == snapshot(extension_class=JSONSnapshotExtension)


def _described(recorder: Recorder, exported: dict[str, Any], replacements: dict[str, str]) -> dict[str, Any]:
    """The stack's outputs, and every resource by name and type; what differs from run to run has a name instead."""

    def settled(value: Any) -> Any:
        match value:
            case Secret():
                return {"secret": settled(value.value)}
            case dict():
                return {key: settled(item) for key, item in sorted(value.items())}
            case list():
                return [settled(item) for item in value]
            case str():
                for text, name in replacements.items():
                    value = value.replace(text, name)
                return re.sub(r"-----BEGIN [^-]+-----.*?-----END [^-]+-----\n?", _digest, value, flags=re.DOTALL)
        return value

    def described(resource: Registered) -> dict[str, Any]:
        inputs = {key: settled(value) for key, value in resource.inputs.items() if key != "stdin"}
        if "stdin" in resource.inputs:
            files = unpacked(resource)
            inputs["stdin"] = {name: _digest(settled(text)) for name, text in files.items()}
            inputs["stdin is secret"] = isinstance(resource.inputs["stdin"], Secret)
        return {
            "parent": resource.parent,
            "inputs": inputs,
            "dependencies": resource.dependencies,
            "provider": resource.provider,
            "deleteBeforeReplace": resource.delete_before_replace,
            "ignoreChanges": resource.ignore_changes,
            "replacementTrigger": settled(resource.replacement_trigger),
            "secretOutputs": resource.secret_outputs,
            "outputs": settled(resource.outputs),
        }

    resources = {f"{r.name} ({r.type})": described(r) for r in recorder.everything}
    return {"resources": resources, "outputs": settled(exported)}


def _digest(text: str | re.Match[str]) -> str:
    content = text if isinstance(text, str) else text[0]
    return f"sha256:{hashlib.sha256(content.encode()).hexdigest()[:16]}"


def _replacements(keys: Path, directory: Path) -> dict[str, str]:
    """Texts that are others in every run, longest first, and what stands for them."""
    found = {
        (keys / "id").read_text(): "THE SSH KEY",
        (keys / "host.pub").read_text(): "THE HOST KEY",
        str(Path.home()): "HOME",
        str(directory): "FILES",
        str(ROOT): "REPOSITORY",
    }
    for file in directory.iterdir():
        found[file.read_text()] = f"THE FILE {file.name}\n"
    return dict(sorted(found.items(), key=lambda item: -len(item[0])))


def _ca(directory: Path, name: str) -> tuple[Path, Path]:
    """A CA's certificate and key in `directory`."""
    # Signed without chance: the same certificate in every run, and so the same tags of the images it is in.
    key = ec.derive_private_key(12, ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 1, TODAY, TODAY + datetime.timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(CA_USAGE, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    )
    files = directory / f"{name}.crt", directory / f"{name}.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


def _host_key() -> str:
    public = ec.derive_private_key(11, ec.SECP256R1()).public_key()
    return public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
