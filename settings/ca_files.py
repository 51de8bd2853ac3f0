"""Reading a CA that the user has, in the formats that it comes in: PEM, DER, and PKCS#12.

Owns what of its files is wrong. Whether it can be used is in `ca_proof.py`.
"""

from __future__ import annotations

import re
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import pkcs12

from settings import files
from settings.ca_proof import in_order
from settings.problems import Problem, Report, remove_command, set_command

CERTIFICATE, KEY, PASSPHRASE = "ca.own.certificateFile", "ca.own.keyFile", "ca.own.passphrase"
# The beginning of PKCS#12 (RFC 7292, section 4): a sequence, in it the version, which is 3.
_PKCS12 = re.compile(rb"\x30(?:[\x00-\x80]|\x81.|\x82..|\x83...)\x02\x01\x03", re.DOTALL)


def read(
    certificate_file: Path, key_file: Path | None, passphrase: bytes | None, report: Report
) -> tuple[list[x509.Certificate], PrivateKeyTypes | None]:
    """The issuing CA with those above it, and its key; what is not there is told."""
    data = certificate_file.read_bytes() if certificate_file.is_file() else b""
    if _PKCS12.match(data):
        chain, key = _pkcs12(certificate_file, data, passphrase, report)
        if not key_file or key_file == certificate_file:
            if chain and not key:
                fix = f"export it with its key, or {set_command(KEY, 'FILE')}"
                report(Problem(KEY, f"nothing, and no key in {certificate_file}", "the CA's private key", fix))
            return chain, key
    else:
        chain = files.certificates(certificate_file, CERTIFICATE, report)
    if not key_file and b"PRIVATE KEY" not in data:
        expected = f"the CA's private key, unless {certificate_file} has it too (PKCS#12 or PEM)"
        report(Problem(KEY, "nothing", expected, set_command(KEY, "FILE")))
        return chain, None
    return chain, _private_key(key_file or certificate_file, passphrase, report)


def _pkcs12(
    path: Path, data: bytes, passphrase: bytes | None, report: Report
) -> tuple[list[x509.Certificate], PrivateKeyTypes | None]:
    try:
        found = pkcs12.load_pkcs12(data, passphrase)
    except UnsupportedAlgorithm as error:
        fix = f"openssl pkcs12 -legacy -in {path} -out {path.with_suffix('.pem')} -nodes, and that file instead"
        report(Problem(CERTIFICATE, f"{path}, encrypted in an old way: {error}", "AES or triple DES", fix))
        return [], None
    except ValueError:
        shown = "[hidden]" if passphrase else "nothing"
        report(Problem(PASSPHRASE, shown, f"the passphrase of {path}", set_command(PASSPHRASE, secret=True)))
        return [], None
    certificates = [each.certificate for each in (found.cert, *found.additional_certs) if each]
    if not certificates:
        nothing = f"{path}, in which there is no certificate"
        report(Problem(CERTIFICATE, nothing, "the CA's certificate and key", set_command(CERTIFICATE, "FILE")))
        return [], None
    for certificate in certificates:
        files.require_valid(certificate, path, CERTIFICATE, report)
    # What is beside the key's own certificate has no order in this format.
    return in_order(certificates, certificates[0]), found.key


def _private_key(path: Path, passphrase: bytes | None, report: Report) -> PrivateKeyTypes | None:
    fix = set_command(KEY, "FILE")
    data = files.read_bytes(path, KEY, "the CA's private key", fix, report)
    if data is None:
        return None
    load = serialization.load_pem_private_key if b"-----BEGIN" in data else serialization.load_der_private_key
    try:
        return load(data, passphrase)
    except TypeError:
        if passphrase:
            report(Problem(PASSPHRASE, "[hidden]", "nothing: the key has no passphrase", remove_command(PASSPHRASE)))
        else:
            report(Problem(PASSPHRASE, "nothing", f"the passphrase of {path}", set_command(PASSPHRASE, secret=True)))
    except (ValueError, UnsupportedAlgorithm):
        if passphrase:
            report(Problem(PASSPHRASE, "[hidden]", f"the passphrase of {path}", set_command(PASSPHRASE, secret=True)))
        else:
            found = f"{path}, which is no private key"
            report(Problem(KEY, found, "-----BEGIN PRIVATE KEY----- ..., or the same in DER", fix))
    return None
