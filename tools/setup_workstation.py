#!/usr/bin/env python3
"""Makes this computer a workstation of the platform: trust in the CA, names, Docker context and kubeconfig.

Usage, on a Linux computer (Debian, Ubuntu, Fedora and their relatives; as root, or with sudo):

    pulumi stack output --json --show-secrets | sudo tools/setup_workstation.py
    sudo tools/setup_workstation.py --remove

Owns what it writes, and takes it away again with --remove. Needs only Python, and `certutil` (libnss3-tools) where a
Chromium or Firefox should trust the CA too; without it the browser part is left out and said so.
Run again it changes nothing, or mends what differs.
"""

from __future__ import annotations

import argparse
import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAME = "auto-devops"
RESOLVED = Path("/etc/systemd/resolved.conf.d/auto-devops.conf")
RESOLV_CONF = Path("/etc/resolv.conf")
RESOLV_CONF_KEPT = Path("/etc/resolv.conf.before-auto-devops")


@dataclass(frozen=True)
class Store:
    """A system's trust store: where certificates are put and what makes the system read them."""

    directory: Path
    refresh: Sequence[str]


STORES = (
    Store(Path("/usr/local/share/ca-certificates"), ("update-ca-certificates", "--fresh")),
    Store(Path("/etc/pki/ca-trust/source/anchors"), ("update-ca-trust",)),
)


@dataclass(frozen=True)
class User:
    """Whose browser and Docker command are set up: who called sudo, else who runs this."""

    name: str
    home: Path
    uid: int
    gid: int


class SetupError(Exception):
    """Something that the reader has to mend; the message says what and how."""


def main() -> int:
    """Set up or remove; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--remove", action="store_true", help="take everything away again")
    remove = parser.parse_args().remove
    try:
        if os.geteuid() != 0:
            raise SetupError("this needs root: run it with sudo")
        user = caller()
        if remove:
            distrust(user)
            forget_resolver()
            remove_context(user)
            remove_kubeconfig(user)
            return 0
        outputs = read_outputs()
        trust(outputs["caCertificate"], user)
        if outputs.get("dnsServer"):
            use_resolver(outputs["dnsServer"], outputs["domain"])
        add_context(outputs["dockerEndpoint"], outputs["dockerClient"], user)
        if outputs.get("kubeconfig"):
            add_kubeconfig(outputs["kubeconfig"], user)
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def read_outputs() -> dict[str, Any]:
    """The stack's outputs from standard input."""
    command = "pulumi stack output --json --show-secrets | sudo tools/setup_workstation.py"
    try:
        outputs = json.load(sys.stdin)
    except json.JSONDecodeError as error:
        raise SetupError(f"standard input is not the stack's outputs as JSON ({error}); use: {command}") from None
    for key in ("domain", "caCertificate", "dockerEndpoint", "dockerClient"):
        if key not in outputs:
            raise SetupError(f"the outputs have no {key}: has `pulumi up` finished? Then: {command}")
    if not isinstance(outputs["dockerClient"], dict):
        raise SetupError(f"dockerClient is hidden; --show-secrets is missing: {command}")
    return dict(outputs)


def caller() -> User:
    """Who is to get the browser's trust and the Docker context."""
    entry = pwd.getpwnam(os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name)
    return User(entry.pw_name, Path(entry.pw_dir), entry.pw_uid, entry.pw_gid)


def run(command: Sequence[str], user: User | None = None) -> None:
    """A command that has to succeed, as root or as `user`."""
    demote = {"user": user.uid, "group": user.gid, "env": os.environ | {"HOME": str(user.home)}} if user else {}
    result = subprocess.run(command, capture_output=True, text=True, check=False, **demote)  # type: ignore[call-overload]
    if result.returncode != 0:
        raise SetupError(f"{' '.join(command)} failed: {result.stderr.strip() or result.stdout.strip()}")


def write(path: Path, text: str, mode: int = 0o644) -> bool:
    """Puts `text` at `path`; whether that changed anything."""
    if path.is_file() and path.read_text() == text and path.stat().st_mode & 0o777 == mode:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
        file.write(text)
    path.chmod(mode)
    return True


def system_store() -> Store:
    """The trust store of this system."""
    for store in STORES:
        if shutil.which(store.refresh[0]):
            return store
    raise SetupError("no update-ca-certificates and no update-ca-trust here: install the package ca-certificates")


def trust(certificate: str, user: User) -> None:
    """The system and the user's browsers trust the CA."""
    store = system_store()
    path = store.directory / f"{NAME}.crt"
    if write(path, certificate):
        run(store.refresh)
    print(f"trusted     {path}")
    if shutil.which("certutil") is None:
        print("browsers    skipped: certutil is missing (apt install libnss3-tools), then run this again")
        return
    for database in nss_databases(user, create=True):
        run(["certutil", "-A", "-d", f"sql:{database}", "-n", NAME, "-t", "C,,", "-i", str(path)], user)
        print(f"browsers    {database}")


def nss_databases(user: User, *, create: bool = False) -> list[Path]:
    """The certificate databases of the user's Chromium and Firefox."""
    shared = user.home / ".pki" / "nssdb"
    if create and not (shared / "cert9.db").exists():
        run(["mkdir", "-p", str(shared)], user)
        run(["certutil", "-N", "-d", f"sql:{shared}", "--empty-password"], user)
    profiles = (user.home / ".mozilla" / "firefox").glob("*/cert9.db")
    return [path for path in (shared, *(profile.parent for profile in profiles)) if (path / "cert9.db").exists()]


def distrust(user: User) -> None:
    """Nothing here trusts the CA any more."""
    store = system_store()
    path = store.directory / f"{NAME}.crt"
    if path.exists():
        path.unlink()
        run(store.refresh)
    if shutil.which("certutil"):
        for database in nss_databases(user):
            subprocess.run(["certutil", "-D", "-d", f"sql:{database}", "-n", NAME], capture_output=True, check=False)
    print("distrusted  the CA")


def use_resolver(server: str, domain: str) -> None:
    """Names below `domain` are asked of `server`; where the system cannot tell domains apart, all names are."""
    active = subprocess.run(["systemctl", "-q", "is-active", "systemd-resolved"], check=False).returncode == 0
    if active:
        if write(RESOLVED, f"# {NAME}\n[Resolve]\nDNS={server}\nDomains=~{domain}\n"):
            run(["systemctl", "restart", "systemd-resolved"])
        print(f"names       {domain} from {server} ({RESOLVED})")
        return
    text = f"# {NAME}: all names from the platform's server, which forwards the rest\nnameserver {server}\n"
    if not RESOLV_CONF_KEPT.exists() and RESOLV_CONF.exists():
        shutil.copy(RESOLV_CONF, RESOLV_CONF_KEPT)
    if RESOLV_CONF.is_symlink():
        RESOLV_CONF.unlink()
    write(RESOLV_CONF, text)
    print(f"names       all from {server} ({RESOLV_CONF}; the previous file is {RESOLV_CONF_KEPT})")


def forget_resolver() -> None:
    """Names are asked as before."""
    if RESOLVED.exists():
        RESOLVED.unlink()
        run(["systemctl", "restart", "systemd-resolved"])
    if RESOLV_CONF_KEPT.exists():
        shutil.copy(RESOLV_CONF_KEPT, RESOLV_CONF)
        RESOLV_CONF_KEPT.unlink()
    print("names       as before")


def context_directory(user: User) -> Path:
    """Where the client certificate is kept."""
    return user.home / ".docker" / NAME


def add_context(endpoint: str, client: dict[str, str], user: User) -> None:
    """`docker --context auto-devops` is the platform's engine; it becomes the current context."""
    if shutil.which("docker") is None:
        print("docker      skipped: no docker command here (apt install docker.io, or docker-cli), then run this again")
        return
    directory = context_directory(user)
    run(["mkdir", "-p", "-m", "700", str(directory)], user)
    for file, key in (("ca.pem", "ca"), ("cert.pem", "certificate"), ("key.pem", "key")):
        write(directory / file, client[key], 0o600)
        os.chown(directory / file, user.uid, user.gid)
    where = f"host={endpoint},ca={directory}/ca.pem,cert={directory}/cert.pem,key={directory}/key.pem"
    exists = subprocess.run(
        ["docker", "context", "inspect", NAME],
        capture_output=True,
        check=False,
        user=user.uid,
        group=user.gid,
        env=os.environ | {"HOME": str(user.home)},
    )
    run(["docker", "context", "update" if exists.returncode == 0 else "create", NAME, "--docker", where], user)
    run(["docker", "context", "use", NAME], user)
    print(f"docker      context {NAME}: {endpoint}")


def remove_context(user: User) -> None:
    """No context and no client certificate any more."""
    if shutil.which("docker"):
        for command in (["docker", "context", "use", "default"], ["docker", "context", "rm", "-f", NAME]):
            subprocess.run(
                command,
                capture_output=True,
                check=False,
                user=user.uid,
                group=user.gid,
                env=os.environ | {"HOME": str(user.home)},
            )
    shutil.rmtree(context_directory(user), ignore_errors=True)
    print("docker      context removed")


def kubeconfig(user: User) -> Path:
    """Where the cluster's configuration is kept, beside whatever the user has."""
    return user.home / ".kube" / NAME


def add_kubeconfig(text: str, user: User) -> None:
    """kubectl finds the cluster: as its own configuration where there is none yet, else by KUBECONFIG."""
    path, default = kubeconfig(user), user.home / ".kube" / "config"
    run(["mkdir", "-p", "-m", "700", str(path.parent)], user)
    write(path, text, 0o600)
    os.chown(path, user.uid, user.gid)
    if not default.exists():
        run(["ln", "-s", NAME, str(default)], user)
    own = default.is_symlink() and default.resolve() == path
    print(f"kubectl     {default}" if own else f"kubectl     export KUBECONFIG={path} (you have {default} already)")


def remove_kubeconfig(user: User) -> None:
    """kubectl forgets the cluster."""
    path, default = kubeconfig(user), user.home / ".kube" / "config"
    if default.is_symlink() and default.resolve() == path:
        default.unlink()
    path.unlink(missing_ok=True)
    print("kubectl     forgotten")


if __name__ == "__main__":
    sys.exit(main())
