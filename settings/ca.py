"""The certificate authority: a new root, or one brought along.

Owns the section `ca`, its lifetimes, and what becomes of a CA that the user has: read in `ca_files.py`, proved in
`ca_proof.py`. Does not own any certificate that is issued.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes, PrivateKeyTypes
from pydantic import Field, SecretStr

from settings import ca_files, ca_proof, files
from settings.kinds import LocalPath, Section
from settings.problems import Problem, Report, set_command


class OwnCaSettings(Section):
    """A root brought along, such as an export of XCA."""

    certificate_file: LocalPath = Field(
        description="the CA's certificate in PEM or DER, in PEM followed by those above it if it is an intermediate; "
        "or PKCS#12 with the key",
        examples=["~/ca/root.crt"],
    )
    key_file: LocalPath | None = Field(
        None,
        description="the CA's private key in PEM or DER; none: it is in certificateFile",
        examples=["~/ca/root.key"],
    )
    passphrase: SecretStr | None = Field(None, description="the passphrase of the key, or of PKCS#12, as a secret")


class CaSettings(Section):
    """The certificate authority and the certificates it issues."""

    algorithm: Literal["ECDSA", "RSA"] = Field("ECDSA", description="the kind of all keys")
    curve: Literal["P256", "P384", "P521"] = Field("P256", description="the curve of ECDSA keys")
    rsa_bits: Literal[2048, 3072, 4096] = Field(3072, description="the size of RSA keys", examples=[3072])
    root_days: int = Field(3650, ge=30, le=36500, description="the root's lifetime in days", examples=[3650])
    certificate_days: int = Field(365, ge=1, le=825, description="a certificate's lifetime in days", examples=[365])
    renew_before_days: int = Field(
        30,
        ge=0,
        description="the first `pulumi up` within this many days of a certificate's end renews it",
        examples=[30],
    )
    own: OwnCaSettings | None = Field(None, description="a root brought along instead of a new one")


Served = tuple[Sequence[str], Sequence[str]]
"""The names and the addresses that certificates are for; none where the settings do not say yet."""


@dataclass(frozen=True)
class OwnCa:
    """A root brought along. `certificate` is the issuing CA, `chain` those above it, root last; all PEM."""

    certificate: str
    chain: tuple[str, ...]
    key: str = field(repr=False)


def check(ca: CaSettings, served: Served, report: Report) -> OwnCa | None:
    """The lifetimes fit each other. The CA that was brought along, read, where there is one.

    That certificates of it for what is `served` will be believed is proved.
    """
    if ca.renew_before_days >= ca.certificate_days:
        expected = (
            f"fewer than ca.certificateDays ({ca.certificate_days}): else every `pulumi up` renews every certificate"
        )
        fix = set_command("ca.renewBeforeDays", str(ca.certificate_days // 3))
        report(Problem("ca.renewBeforeDays", str(ca.renew_before_days), expected, fix))
    if ca.own:
        return _read_own(ca.own, ca.certificate_days, served, report)
    if ca.certificate_days > ca.root_days:
        reason = f"ca.rootDays ({ca.root_days}): no certificate may outlive its root"
        _too_long(ca.certificate_days, ca.root_days, reason, report)
    return None


def _too_long(days: int, limit: int, reason: str, report: Report) -> None:
    key = "ca.certificateDays"
    report(Problem(key, str(days), f"at most {reason}", set_command(key, str(limit))))


def _read_own(own: OwnCaSettings, certificate_days: int, served: Served, report: Report) -> OwnCa | None:
    key, path = ca_files.CERTIFICATE, own.certificate_file
    passphrase = own.passphrase.get_secret_value().encode() if own.passphrase else None
    chain, private = ca_files.read(path, own.key_file, passphrase, report)
    for certificate in chain:
        if not files.is_ca(certificate):
            found = f"{path}: {certificate.subject.rfc4514_string()}, which is not a CA"
            report(Problem(key, found, "a certificate with basicConstraints CA:TRUE", set_command(key, "FILE")))
    if not chain or private is None:
        return None
    # No certificate is good for longer than any CA on its way to the root.
    first = min(chain, key=lambda certificate: certificate.not_valid_after_utc)
    end = first.not_valid_after_utc
    left = (end - datetime.datetime.now(datetime.UTC)).days
    if 0 <= left < certificate_days:
        _too_long(certificate_days, left, f"{left}: the own CA ends on {end:%Y-%m-%d}", report)
    if _public_bytes(private) != _public_bytes(chain[0]):
        if later := [each for each in chain if _public_bytes(each) == _public_bytes(private)]:
            found = f"{path}: the certificate of the key, {later[0].subject.rfc4514_string()}, is not the first"
            fix = f"put them in that order, by: openssl x509 -noout -subject -issuer -in {path}"
            report(Problem(key, found, ca_proof.ORDER, fix))
        else:
            found = f"{own.key_file or path}, which is another certificate's key"
            report(Problem(ca_files.KEY, found, f"the key of {path}", set_command(ca_files.KEY, "FILE")))
        return None
    names, addresses = served
    if names and all(files.is_ca(each) and files.is_valid(each) for each in chain):
        signing = cast(CertificateIssuerPrivateKeyTypes, private)
        for flaw in ca_proof.flaws(chain, signing, names, addresses):
            fix = f"make the CA anew, or {set_command(key, 'FILE')}; openssl x509 -text -noout -in {path}"
            report(Problem(key, f"{path}: {flaw.found}", flaw.wanted, fix))
    # The tls provider takes no passphrase, so the key is handed on without one; it stays a secret of the stack.
    plain = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return OwnCa(files.pem(chain[0]), tuple(files.pem(each) for each in chain[1:]), plain.decode())


def _public_bytes(of: PrivateKeyTypes | x509.Certificate) -> bytes:
    return of.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
