"""The mirror's own certificate authority: it stands for the public ones that upstream registries have."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab import paths
from lab.inventory import MIRROR, MIRROR_NAME
from lab.steps import StepLog

_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
_DAYS = "825"


def make(log: StepLog) -> str:
    """Make the CA and the mirror's certificate, together or not at all."""
    folder = paths.MIRROR_CA.parent
    if folder.exists():
        return "already there"
    draft = folder.with_name("mirror.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700, parents=True)
    ca, ca_key = draft / paths.MIRROR_CA.name, draft / paths.MIRROR_CA_KEY.name
    server, server_key = draft / paths.MIRROR_CERTIFICATE.name, draft / paths.MIRROR_KEY.name
    log.run(
        ["openssl", "req", "-x509", *_KEY, "-days", _DAYS, "-subj", "/CN=Lab mirror CA"]
        + ["-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", str(ca_key), "-out", str(ca)]
    )
    _issue(log, (ca, ca_key), (MIRROR_NAME, MIRROR.address), (server, server_key))
    ca_key.chmod(0o600)
    draft.rename(folder)
    return str(paths.MIRROR_CA)


def issue(log: StepLog, name: str, address: str) -> tuple[Path, Path]:
    """Make a certificate by that CA for a server of that name and address; its file, and its key's."""
    folder = paths.LAB / "certificates"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = folder / f"{name}.crt", folder / f"{name}.key"
    _issue(log, (paths.MIRROR_CA, paths.MIRROR_CA_KEY), (name, address), made)
    return made


def _issue(log: StepLog, ca: tuple[Path, Path], server: tuple[str, str], made: tuple[Path, Path]) -> None:
    """`ca` and `made` are a certificate and its key, `server` a name and an address."""
    name, address = server
    certificate, key = made
    log.run(
        ["openssl", "req", "-x509", *_KEY, "-days", _DAYS, "-subj", f"/CN={name}"]
        + ["-CA", str(ca[0]), "-CAkey", str(ca[1]), "-addext", "basicConstraints=critical,CA:FALSE"]
        + ["-addext", f"subjectAltName=DNS:{name},IP:{address}"]
        + ["-addext", "extendedKeyUsage=serverAuth", "-keyout", str(key), "-out", str(certificate)]
    )
    key.chmod(0o600)
