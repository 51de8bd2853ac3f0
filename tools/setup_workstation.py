#!/usr/bin/env python3
"""Makes this computer a workstation of the platform: trust in the CA, names, Docker context and kubeconfig.

Usage, on a Linux computer (Debian, Ubuntu, Fedora and their relatives; as root, or with sudo):

    pulumi stack output --json --show-secrets | sudo tools/setup_workstation.py
    sudo tools/setup_workstation.py --remove

Owns what it writes, and takes it away again with --remove: what was there before comes back, and what somebody has
changed since stays as they have it. Needs only Python, and `certutil` (libnss3-tools) where a
Chromium or Firefox should trust the CA too; without it the browser part is left out and said so.
Run again it changes nothing, or mends what differs.
"""

from __future__ import annotations

import argparse
import codecs
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
RESOLVER_MARK = f"# {NAME}: all names from the platform's server, which forwards the rest"
CHROMIUM = (Path(".pki/nssdb"), Path(".local/share/pki/nssdb"))
"""The one that it takes wherever it is, and its own since version 146 (chromium, docs/linux/cert_management.md)."""
CHROMIUM_OF_SNAP = Path("snap/chromium/current/.pki/nssdb")
"""Which sees no other."""
FIREFOX = (
    Path(".mozilla/firefox"),
    Path("snap/firefox/common/.mozilla/firefox"),
    Path(".var/app/org.mozilla.firefox/.mozilla/firefox"),
)
"""Where a Firefox has its profiles; each has a database."""
PREVIOUS_CONTEXT = "previous-context"
"""Beside the client's certificate: the Docker context that was the current one before."""


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
    """The stack's outputs from standard input, also as PowerShell 5.1 writes them into a file: UTF-16."""
    command = "pulumi stack output --json --show-secrets | sudo tools/setup_workstation.py"
    given = sys.stdin.buffer.read()
    wide = given.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        outputs = json.loads(given.decode("utf-16" if wide else "utf-8-sig"))
    except ValueError as error:
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


def call(
    command: Sequence[str], user: User | None = None, *, without: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """A command as root or as `user`, whatever comes of it; it does not see the variables `without`."""
    environment = {key: value for key, value in os.environ.items() if key not in without}
    demote: dict[str, Any] = {}
    if user:
        environment["HOME"] = str(user.home)
        demote = {"user": user.uid, "group": user.gid}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, **demote)


def run(command: Sequence[str], user: User | None = None) -> None:
    """A command that has to succeed, as root or as `user`."""
    result = call(command, user)
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
    """The certificate databases of the user's Chromium and Firefox: of packages, of Snap and of Flatpak."""
    older, newer, of_snap = (user.home / place for place in (*CHROMIUM, CHROMIUM_OF_SNAP))
    if create and not any((place / "cert9.db").exists() for place in (older, newer)):
        # Beside the newer one it would hide what is there.
        run(["mkdir", "-p", str(older)], user)
        run(["certutil", "-N", "-d", f"sql:{older}", "--empty-password"], user)
    profiles = [file.parent for place in FIREFOX for file in sorted((user.home / place).glob("*/cert9.db"))]
    return [place for place in (older, newer, of_snap) if (place / "cert9.db").exists()] + profiles


def distrust(user: User) -> None:
    """Nothing here trusts the CA any more."""
    store = system_store()
    path = store.directory / f"{NAME}.crt"
    if path.exists():
        path.unlink()
        run(store.refresh)
    if shutil.which("certutil"):
        for database in nss_databases(user):
            # As the user: what root writes there could not be written by them any more.
            call(["certutil", "-D", "-d", f"sql:{database}", "-n", NAME], user)
    print("distrusted  the CA")


def use_resolver(server: str, domain: str) -> None:
    """Names below `domain` are asked of `server`; where the system cannot tell domains apart, all names are."""
    active = subprocess.run(["systemctl", "-q", "is-active", "systemd-resolved"], check=False).returncode == 0
    if active:
        if write(RESOLVED, f"# {NAME}\n[Resolve]\nDNS={server}\nDomains=~{domain}\n"):
            run(["systemctl", "restart", "systemd-resolved"])
        print(f"names       {domain} from {server} ({RESOLVED})")
        return
    keep_resolv_conf()
    write(RESOLV_CONF, f"{RESOLVER_MARK}\nnameserver {server}\n")
    print(f"names       all from {server} ({RESOLV_CONF}; the previous file is {RESOLV_CONF_KEPT})")


def resolver_is_ours() -> bool:
    """Whether resolv.conf is as this script writes it, for whatever server."""
    return RESOLV_CONF.is_file() and not RESOLV_CONF.is_symlink() and RESOLV_CONF.read_text().startswith(RESOLVER_MARK)


def keep_resolv_conf() -> None:
    """Puts the file aside as it is, often a link to what a program keeps up to date, unless it is ours."""
    if resolver_is_ours() or not os.path.lexists(RESOLV_CONF):
        return
    try:
        RESOLV_CONF.replace(RESOLV_CONF_KEPT)
    except OSError:
        # Mounted, as in a container: it cannot be moved, only written.
        shutil.copy2(RESOLV_CONF, RESOLV_CONF_KEPT)


def forget_resolver() -> None:
    """Names are asked as before."""
    if RESOLVED.exists():
        RESOLVED.unlink()
        run(["systemctl", "restart", "systemd-resolved"])
    if not os.path.lexists(RESOLV_CONF_KEPT):
        print("names       as before")
        return
    if os.path.lexists(RESOLV_CONF) and not resolver_is_ours():
        print(f"names       {RESOLV_CONF} was changed since and stays; the one from before is {RESOLV_CONF_KEPT}")
        return
    try:
        RESOLV_CONF_KEPT.replace(RESOLV_CONF)
    except OSError:
        shutil.copyfile(RESOLV_CONF_KEPT, RESOLV_CONF)
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
    exists = docker(user, "context", "inspect", NAME) is not None
    run(["docker", "context", "update" if exists else "create", NAME, "--docker", where], user)
    current = current_context(user)
    if current not in (None, NAME):
        write(directory / PREVIOUS_CONTEXT, f"{current}\n", 0o600)
        os.chown(directory / PREVIOUS_CONTEXT, user.uid, user.gid)
    run(["docker", "context", "use", NAME], user)
    print(f"docker      context {NAME}: {endpoint}")
    if host := os.environ.get("DOCKER_HOST"):
        print(f"docker      DOCKER_HOST={host} is set, and wins over every context: unset DOCKER_HOST")


def docker(user: User, *arguments: str) -> str | None:
    """What `docker` prints for the user; None where it fails. DOCKER_HOST would be the current context by itself."""
    done = call(["docker", *arguments], user, without=("DOCKER_HOST", "DOCKER_CONTEXT"))
    return done.stdout.strip() if done.returncode == 0 else None


def current_context(user: User) -> str | None:
    """Its name; Docker 20.10, which Debian 12 has, knows no `docker context show`."""
    return docker(user, "context", "inspect", "--format", "{{.Name}}")


def remove_context(user: User) -> None:
    """No context and no client certificate any more; the current context is the one from before, if it was ours."""
    directory = context_directory(user)
    if shutil.which("docker"):
        kept = directory / PREVIOUS_CONTEXT
        before = kept.read_text().strip() if kept.is_file() else "default"
        # It may be gone meanwhile.
        if current_context(user) == NAME and docker(user, "context", "use", before) is None:
            docker(user, "context", "use", "default")
        docker(user, "context", "rm", "-f", NAME)
    shutil.rmtree(directory, ignore_errors=True)
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
