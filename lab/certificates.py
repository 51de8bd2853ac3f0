"""The mirror's own certificate authority: it stands for the public ones that upstream registries have."""

from __future__ import annotations

import shutil

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
    log.run(
        ["openssl", "req", "-x509", *_KEY, "-days", _DAYS, "-subj", f"/CN={MIRROR_NAME}"]
        + ["-CA", str(ca), "-CAkey", str(ca_key), "-addext", "basicConstraints=critical,CA:FALSE"]
        + ["-addext", f"subjectAltName=DNS:{MIRROR_NAME},IP:{MIRROR.address}"]
        + ["-addext", "extendedKeyUsage=serverAuth", "-keyout", str(server_key), "-out", str(server)]
    )
    for secret in (ca_key, server_key):
        secret.chmod(0o600)
    draft.rename(folder)
    return str(paths.MIRROR_CA)
