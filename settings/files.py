"""Reading the keys and certificates that settings name; what is wrong with a file is told under the setting's key.

Owns everything that is read as a key or a certificate. Does not own what they are for. It never uses the network.
"""

from __future__ import annotations

import datetime
import os
import subprocess
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from settings.problems import Problem, Report, rejected, remove_command, set_command


def require_public_key(text: str) -> None:
    """Raises the validators' error where `text` is not a public key in OpenSSH's format."""
    try:
        serialization.load_ssh_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm, NotImplementedError):
        # The last is cryptography's word for a point of an elliptic curve that does not begin as OpenSSH writes it.
        raise rejected(
            "a whole public key; this one is cut or changed (copy it from /etc/ssh/ssh_host_ed25519_key.pub)"
        ) from None


def read(path: Path, key: str, what: str, fix: str, report: Report) -> str | None:
    """The text of a file; None if there is none, which is told as a problem of `key`."""
    data = read_bytes(path, key, what, fix, report)
    try:
        return None if data is None else data.decode()
    except UnicodeDecodeError:
        report(Problem(key, f"{path}, which is not a text file", what, f"convert it to PEM, then {fix}"))
    return None


def read_bytes(path: Path, key: str, what: str, fix: str, report: Report) -> bytes | None:
    """The content of a file; None if there is none, which is told as a problem of `key`."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        report(Problem(key, f"{path}, which does not exist", what, fix))
    except OSError as error:
        report(Problem(key, f"{path}, which cannot be read: {error.strerror}", what, f"ls -l {path}; {fix}"))
    return None


def ssh_private_key(path: Path, passphrase: str | None, prefix: str, report: Report) -> str | None:
    """The text of an SSH private key that `passphrase` opens; `prefix` is the section that both are settings of."""
    key, passphrase_key = f"{prefix}.privateKeyFile", f"{prefix}.passphrase"
    fix = f"ssh-keygen -t ed25519 -f {path}, or {set_command(key, 'FILE')}"
    text = read(path, key, "an SSH private key", fix, report)
    if text is None:
        return None
    password = passphrase.encode() if passphrase else None
    load = serialization.load_ssh_private_key if "OPENSSH PRIVATE KEY" in text else serialization.load_pem_private_key
    secret_fix = set_command(passphrase_key, secret=True)
    try:
        load(text.encode(), password)
    except TypeError:
        if passphrase:
            expected = f"nothing: {path} has no passphrase"
            report(Problem(passphrase_key, "[hidden]", expected, remove_command(passphrase_key)))
        else:
            report(Problem(passphrase_key, "nothing", f"the passphrase of {path}", secret_fix))
    except (ValueError, UnsupportedAlgorithm):
        if passphrase:
            report(Problem(passphrase_key, "[hidden]", f"the passphrase of {path}", secret_fix))
        else:
            found = f"{path}, which is none or needs a passphrase"
            fix = f"ssh-keygen -y -f {path}; {set_command(key, 'FILE')}"
            report(Problem(key, found, "an SSH private key in OpenSSH's or PEM format", fix))
    else:
        return text
    return None


def ssh_agent(key: str, report: Report) -> bool:
    """Whether this session has an SSH agent with a key in it; if not, that is told as a problem of `key`.

    The plugin finds the agent by SSH_AUTH_SOCK, as everyone does (pulumi-command 1.2.1,
    provider/pkg/provider/remote/connection_unix.go): where its socket is differs from session to session.
    """
    socket = os.environ.get("SSH_AUTH_SOCK", "")
    expected = "an SSH agent that has the key, in the session that Pulumi runs in"
    start = 'eval "$(ssh-agent)" && ssh-add'
    if not socket:
        report(Problem(key, "true, and SSH_AUTH_SOCK is not set", expected, start))
        return False
    listed = subprocess.run(["ssh-add", "-l"], capture_output=True, check=False, stdin=subprocess.DEVNULL)
    if listed.returncode == 1:
        report(Problem(key, f"true, and no key in the agent at {socket}", expected, "ssh-add"))
    elif listed.returncode:
        report(Problem(key, f"true, and no agent that answers at {socket} (SSH_AUTH_SOCK)", expected, start))
    return listed.returncode == 0


def known_keys(entry: str, known_hosts: Path) -> dict[str, str]:
    """The keys that known_hosts has under `entry`, by kind. `ssh-keygen -F` looks them up: entries may be hashed."""
    result = subprocess.run(
        ["ssh-keygen", "-F", entry, "-f", str(known_hosts)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    lines = [line.split() for line in result.stdout.splitlines() if not line.startswith(("#", "@"))]
    return {parts[1]: " ".join(parts[1:3]) for parts in lines if len(parts) >= 3}


def certificates(path: Path, key: str, report: Report) -> list[x509.Certificate]:
    """All certificates of a PEM file, or that of a DER file; empty where there is none.

    One that is not valid today is told, too.
    """
    data = read_bytes(path, key, "a PEM certificate", set_command(key, "FILE"), report)
    if data is None:
        return []
    try:
        if b"-----BEGIN" in data:
            found = x509.load_pem_x509_certificates(data)
        else:
            found = [x509.load_der_x509_certificate(data)]
    except ValueError:
        nothing = f"{path}, in which there is no PEM certificate"
        report(Problem(key, nothing, "-----BEGIN CERTIFICATE----- ...", set_command(key, "FILE")))
        return []
    for certificate in found:
        require_valid(certificate, path, key, report)
    return found


def require_valid(certificate: x509.Certificate, path: Path, key: str, report: Report) -> None:
    """Tells where a certificate is not valid now."""
    now = datetime.datetime.now(datetime.UTC)
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if end <= now:
        found = f"{path}, which expired on {end:%Y-%m-%d}"
        report(Problem(key, found, "a certificate that is still valid", set_command(key, "FILE")))
    elif start > now:
        found = f"{path}, which is valid only from {start:%Y-%m-%d %H:%M} UTC"
        report(Problem(key, found, "a certificate that is valid now", "check this computer's clock: date -u"))


def is_valid(certificate: x509.Certificate) -> bool:
    """Whether it is valid now."""
    return certificate.not_valid_before_utc <= datetime.datetime.now(datetime.UTC) < certificate.not_valid_after_utc


def is_ca(certificate: x509.Certificate) -> bool:
    """Whether other certificates may come from it."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def pem(certificate: x509.Certificate) -> str:
    """Its text."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
