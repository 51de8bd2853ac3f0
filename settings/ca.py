"""The certificate authority: a new root, or one brought along.

Owns the section `ca`, its lifetimes, and reading a CA that the user has. Does not own any certificate that is issued.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from pydantic import Field, SecretStr

from settings import files
from settings.kinds import LocalPath, Section
from settings.problems import Problem, Report, remove_command, set_command


class OwnCaSettings(Section):
    """A root brought along, such as an export of XCA."""

    certificate_file: LocalPath = Field(
        description="PEM file: the CA's certificate, followed by those above it if it is an intermediate",
        examples=["~/ca/root.crt"],
    )
    key_file: LocalPath = Field(description="PEM file: the CA's private key", examples=["~/ca/root.key"])
    passphrase: SecretStr | None = Field(None, description="the key's passphrase, as a secret")


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


@dataclass(frozen=True)
class OwnCa:
    """A root brought along. `certificate` is the issuing CA, `chain` those above it, root last; all PEM."""

    certificate: str
    chain: tuple[str, ...]
    key: str = field(repr=False)


def check(ca: CaSettings, report: Report) -> OwnCa | None:
    """The lifetimes fit each other. The CA that was brought along, read, where there is one and it can be used."""
    if ca.renew_before_days >= ca.certificate_days:
        expected = (
            f"fewer than ca.certificateDays ({ca.certificate_days}): else every `pulumi up` renews every certificate"
        )
        fix = set_command("ca.renewBeforeDays", str(ca.certificate_days // 3))
        report(Problem("ca.renewBeforeDays", str(ca.renew_before_days), expected, fix))
    if ca.own:
        return _read_own(ca.own, ca.certificate_days, report)
    if ca.certificate_days > ca.root_days:
        reason = f"ca.rootDays ({ca.root_days}): no certificate may outlive its root"
        _too_long(ca.certificate_days, ca.root_days, reason, report)
    return None


def _too_long(days: int, limit: int, reason: str, report: Report) -> None:
    key = "ca.certificateDays"
    report(Problem(key, str(days), f"at most {reason}", set_command(key, str(limit))))


def _read_own(own: OwnCaSettings, certificate_days: int, report: Report) -> OwnCa | None:
    key, path = "ca.own.certificateFile", own.certificate_file
    chain = files.certificates(path, key, report)
    for certificate in chain:
        if not files.is_ca(certificate):
            found = f"{path}: {certificate.subject.rfc4514_string()}, which is not a CA"
            report(Problem(key, found, "a certificate with basicConstraints CA:TRUE", set_command(key, "FILE")))
    key_fix = set_command("ca.own.keyFile", "FILE")
    text = files.read(own.key_file, "ca.own.keyFile", "the CA's private key in PEM", key_fix, report)
    if text is None or not chain:
        return None
    end = chain[0].not_valid_after_utc
    left = (end - datetime.datetime.now(datetime.UTC)).days
    if 0 <= left < certificate_days:
        _too_long(certificate_days, left, f"{left}: the own CA ends on {end:%Y-%m-%d}", report)
    private = _private_key(text, own, report)
    if private is None:
        return None
    if _public_bytes(private) != _public_bytes(chain[0]):
        found = f"{own.key_file}, which is another certificate's key"
        report(Problem("ca.own.keyFile", found, f"the key of {path}", key_fix))
        return None
    # The tls provider takes no passphrase, so the key is handed on without one; it stays a secret of the stack.
    plain = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return OwnCa(files.pem(chain[0]), tuple(files.pem(each) for each in chain[1:]), plain.decode())


def _private_key(text: str, own: OwnCaSettings, report: Report) -> PrivateKeyTypes | None:
    key, file = "ca.own.passphrase", own.key_file
    passphrase = own.passphrase.get_secret_value().encode() if own.passphrase else None
    try:
        return serialization.load_pem_private_key(text.encode(), passphrase)
    except TypeError:
        if passphrase:
            report(Problem(key, "[hidden]", "nothing: the key has no passphrase", remove_command(key)))
        else:
            report(Problem(key, "nothing", f"the passphrase of {file}", set_command(key, secret=True)))
    except (ValueError, UnsupportedAlgorithm):
        if passphrase:
            report(Problem(key, "[hidden]", f"the passphrase of {file}", set_command(key, secret=True)))
        else:
            found = f"{file}, which is no PEM private key"
            fix = set_command("ca.own.keyFile", "FILE")
            report(Problem("ca.own.keyFile", found, "-----BEGIN PRIVATE KEY----- ...", fix))
    return None


def _public_bytes(of: PrivateKeyTypes | x509.Certificate) -> bytes:
    return of.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
