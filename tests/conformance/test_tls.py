"""Keys, requests and certificates."""

from __future__ import annotations

import pulumi
import pulumi_tls as tls
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.conformance.conftest import Start
from tests.conformance.engine import Program

PROVIDER = "tls"


def key(algorithm: str = "ECDSA", *, curve: str | None = "P256", bits: int | None = None) -> Program:
    def program() -> None:
        made = tls.PrivateKey("key", algorithm=algorithm, ecdsa_curve=curve, rsa_bits=bits)
        pulumi.export("pem", made.private_key_pem)
        pulumi.export("public", made.public_key_pem)
        pulumi.export("openssh", made.public_key_openssh)

    return program


@pytest.mark.full
@pytest.mark.parametrize(
    ("algorithm", "curve", "bits", "kind"),
    [
        ("ECDSA", "P256", None, ec.EllipticCurvePrivateKey),
        ("RSA", None, 2048, rsa.RSAPrivateKey),
        ("ED25519", None, None, ed25519.Ed25519PrivateKey),
    ],
)
def test_a_key_is_of_its_algorithm(
    start: Start, algorithm: str, curve: str | None, bits: int | None, kind: type
) -> None:
    outputs = start(key(algorithm, curve=curve, bits=bits)).up().outputs
    private = serialization.load_pem_private_key(outputs["pem"].encode(), None)
    assert isinstance(private, kind)
    public = private.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    assert outputs["public"] == pem


@pytest.mark.full
def test_a_keys_private_halves_are_secret(start: Start) -> None:
    stack = start(key())
    pem = stack.up().outputs["pem"]
    assert {"privateKeyPem", "privateKeyOpenssh", "privateKeyPemPkcs8"} <= stack.secrets("key")
    assert "publicKeyPem" not in stack.secrets("key")
    assert pem.splitlines()[1] not in stack.text()


@pytest.mark.full
def test_a_key_stays_until_its_algorithm_changes(start: Start) -> None:
    stack = start(key())
    first = stack.up()
    again = stack.up()
    assert (first.operations["key"], again.operations["key"]) == ("create", "same")
    assert again.outputs == first.outputs
    assert "replace" in stack.up(key("ED25519", curve=None)).operations["key"]
    assert stack.up().outputs["pem"] != first.outputs["pem"]


@pytest.mark.full
def test_a_curve_that_does_not_exist_is_refused(start: Start) -> None:
    assert "P999" in start(key(curve="P999")).failure()


def issued(*, hours: int = 48, early: int | None = None, names: list[str] | None = None) -> Program:
    def program() -> None:
        ca_key = tls.PrivateKey("ca-key", algorithm="ECDSA", ecdsa_curve="P256")
        ca = tls.SelfSignedCert(
            "ca",
            private_key_pem=ca_key.private_key_pem,
            is_ca_certificate=True,
            set_subject_key_id=True,
            validity_period_hours=100,
            allowed_uses=["cert_signing", "crl_signing"],
            subject=tls.SelfSignedCertSubjectArgs(common_name="Root", organization="Us"),
        )
        own = tls.PrivateKey("key", algorithm="ECDSA", ecdsa_curve="P256")
        request = tls.CertRequest(
            "request",
            private_key_pem=own.private_key_pem,
            dns_names=names or ["a.example", "*.b.example"],
            ip_addresses=["192.0.2.1"],
            subject=tls.CertRequestSubjectArgs(common_name="a.example"),
        )
        certificate = tls.LocallySignedCert(
            "certificate",
            ca_private_key_pem=ca_key.private_key_pem,
            ca_cert_pem=ca.cert_pem,
            cert_request_pem=request.cert_request_pem,
            validity_period_hours=hours,
            early_renewal_hours=early,
            allowed_uses=["digital_signature", "server_auth"],
            set_subject_key_id=True,
        )
        pulumi.export("ca", ca.cert_pem)
        pulumi.export("certificate", certificate.cert_pem)
        pulumi.export("renewal", certificate.ready_for_renewal)

    return program


def test_a_certificate_is_the_requests_and_signed_by_the_ca(start: Start) -> None:
    outputs = start(issued()).up().outputs
    ca = x509.load_pem_x509_certificate(outputs["ca"].encode())
    certificate = x509.load_pem_x509_certificate(outputs["certificate"].encode())
    certificate.verify_directly_issued_by(ca)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a.example", "*.b.example"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["192.0.2.1"]
    assert ca.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert ca.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert lifetime.total_seconds() == pytest.approx(48 * 3600, abs=1)
    of_ca = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    issuer = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert issuer == of_ca


@pytest.mark.full
def test_a_certificate_stays_and_another_request_replaces_it(start: Start) -> None:
    stack = start(issued())
    stack.up()
    assert set(stack.up().operations.values()) == {"same"}
    changed = stack.up(issued(names=["c.example"])).operations
    assert "replace" in changed["request"]
    assert "replace" in changed["certificate"]
    assert {changed["ca"], changed["key"], changed["ca-key"]} == {"same"}


@pytest.mark.full
def test_a_certificate_in_its_last_hours_is_replaced(start: Start) -> None:
    stack = start(issued(hours=2, early=1))
    first = stack.up().outputs
    assert first["renewal"] is False
    assert stack.up().operations["certificate"] == "same"
    # From here on its renewal is due as soon as it is there.
    stack.up(issued(hours=2, early=3))
    renewed = stack.up()
    assert "replace" in renewed.operations["certificate"]
    assert renewed.operations["ca"] == "same"


@pytest.mark.full
def test_a_key_that_is_none_is_refused(start: Start) -> None:
    def program() -> None:
        tls.CertRequest("request", private_key_pem="no key", dns_names=["a.example"])

    assert "request" in start(program).failure()
