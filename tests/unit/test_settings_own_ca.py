"""A CA brought along is proved: what no client would believe at the end is told at the beginning."""

from __future__ import annotations

import datetime
import ipaddress
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

import settings
from settings.ca_proof import flaws
from tests.unit.program import CA_USAGE
from tests.unit.settings_cases import Config, own, problems

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER


@dataclass
class Ca:
    """A CA with its key."""

    certificate: x509.Certificate
    key: Any


def make(
    name: str = "root",
    above: Ca | None = None,
    *,
    key: Any = None,
    basic: x509.BasicConstraints | None = x509.BasicConstraints(ca=True, path_length=None),  # noqa: B008 - a constant
    critical: bool = True,
    usage: x509.KeyUsage | None = CA_USAGE,
    identified: bool = True,
    further: x509.ExtensionType | None = None,
    begin: datetime.datetime = NOW - DAY,
    end: datetime.datetime = NOW + 900 * DAY,
) -> Ca:
    """A CA, by default one as it should be."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer, signer = (above.certificate.subject, above.key) if above else (subject, key)
    builder = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end)
    if basic:
        builder = builder.add_extension(basic, critical)
    if usage:
        builder = builder.add_extension(usage, critical=True)
    if identified:
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        if above:
            identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
            builder = builder.add_extension(identifier, critical=False)
    if further:
        builder = builder.add_extension(further, critical=isinstance(further, x509.NameConstraints))
    return Ca(builder.sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()), key)


def written(directory: Path, *chain: Ca) -> tuple[Path, Path]:
    """The files of a CA and those above it, as PEM."""
    paths = directory / "ca.crt", directory / "ca.key"
    paths[0].write_bytes(b"".join(each.certificate.public_bytes(PEM) for each in chain))
    paths[1].write_bytes(plain(chain[0], PEM))
    return paths


def plain(ca: Ca, encoding: serialization.Encoding) -> bytes:
    """Its key."""
    data: bytes = ca.key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return data


def permitted(*names: str) -> x509.NameConstraints:
    return x509.NameConstraints([x509.DNSName(name) for name in names], None)


NO_ADDRESSES = x509.NameConstraints(None, [x509.IPAddress(ipaddress.ip_network("0.0.0.0/0"))])
CLIENTS = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
NOT_SIGNING = x509.KeyUsage(True, False, False, False, False, False, True, False, False)
SHORT = rsa.generate_private_key(65537, 1024)
BELOW = make("below", ROOT := make())

# The chain; words of what is found; words of what is right.
UNUSABLE: dict[str, tuple[list[Ca], str, str]] = {
    "1024 bits": ([make(key=SHORT)], "CA certificate key too weak", "2048 bits"),
    "an intermediate of 1024 bits": ([make("below", ROOT, key=SHORT), ROOT], "key too weak", "2048 bits"),
    "no keyUsage": ([make(usage=None)], "does not include key usage", "keyCertSign"),
    "keyUsage without keyCertSign": ([make(usage=NOT_SIGNING)], "invalid CA", "keyCertSign"),
    "no basicConstraints": ([make(basic=None)], "not a CA", "CA:TRUE"),
    "basicConstraints not critical": ([make(critical=False)], "not marked critical", "critical"),
    "names left out": (
        [make(further=permitted("other.example"))],
        "*.devops.example.com, devops.example.com",
        "permit",
    ),
    "the cluster's own left out": (
        [make(further=permitted("devops.example.com"))],
        "leave out metrics-server.auto-devops.svc",
        "permit",
    ),
    "addresses left out": (
        [make(further=NO_ADDRESSES)],
        "leave out 192.168.80.112, 192.168.80.113, 192.168.80.96",
        "permit",
    ),
    "no room below the root": (
        [make("below", top := make(basic=x509.BasicConstraints(ca=True, path_length=0))), top],
        "path length",
        "pathlen:0",
    ),
    "shuffled": ([BELOW, make("third", make("second", ROOT)), ROOT], "in another order", "the root last"),
    "without its root": ([BELOW], "no root", "the root last"),
    "expired": ([make(begin=NOW - 9 * DAY, end=NOW - DAY)], "expired on", "still valid"),
    "not yet valid": ([make(begin=NOW + DAY)], "valid only from", "valid now"),
    "for clients only": ([make(further=CLIENTS)], "extendedKeyUsage without serverAuth", "serverAuth"),
    "an intermediate for clients only": (
        [make("below", ROOT, further=CLIENTS), ROOT],
        "CN=below: extended",
        "serverAuth",
    ),
    "no subjectKeyIdentifier": ([make(identified=False)], "Missing Authority Key Identifier", "subjectKeyIdentifier"),
    "an intermediate without identifiers": (
        [make("below", ROOT, identified=False), ROOT],
        "Missing",
        "KeyIdentifier",
    ),
    "a key that browsers do not know": ([make(key=ed25519.Ed25519PrivateKey.generate())], "Ed25519", "RSA or ECDSA"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_unusable(good: Config, tmp_path: Path, kind: str) -> None:
    chain, found, wanted = UNUSABLE[kind]
    own(good, *written(tmp_path, *chain))
    told = problems(good)
    assert all(each.key == "ca.own.certificateFile" for each in told), told
    assert any(found in each.found and wanted in each.expected for each in told), told


USABLE = {
    "a root": [make()],
    "RSA": [make(key=rsa.generate_private_key(65537, 2048))],
    "P-384": [make(key=ec.generate_private_key(ec.SECP384R1()))],
    "P-521": [make(key=ec.generate_private_key(ec.SECP521R1()))],
    "an intermediate": [BELOW, ROOT],
    "two": [make("third", BELOW), BELOW, ROOT],
    "names permitted": [make(further=permitted("example.com", "svc"))],
    "room for one": [make("below", one := make(basic=x509.BasicConstraints(ca=True, path_length=1))), one],
    "for servers": [make(further=x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]))],
}


@pytest.mark.parametrize("kind", USABLE)
def test_usable(good: Config, tmp_path: Path, kind: str) -> None:
    chain = USABLE[kind]
    own(good, *written(tmp_path, *chain))
    parsed = settings.parse(good).own_ca
    assert parsed is not None
    assert [parsed.certificate, *parsed.chain] == [each.certificate.public_bytes(PEM).decode() for each in chain]


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl, as cryptography signs with neither")
@pytest.mark.parametrize("digest", ["sha1", "md5"])
def test_an_intermediate_with_an_old_signature(good: Config, tmp_path: Path, digest: str) -> None:
    top = make(key=rsa.generate_private_key(65537, 2048))  # ECDSA knows no MD5
    root, key = written(tmp_path, top)
    below, request, out = tmp_path / "below.key", tmp_path / "request", tmp_path / "chain.crt"
    below.write_bytes(plain(BELOW, PEM))
    extensions = tmp_path / "extensions"
    extensions.write_text(
        "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n"
        "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    )
    for words in (
        ["req", "-new", "-key", below, "-subj", "/CN=below", "-out", request],
        ["x509", "-req", "-in", request, "-CA", root, "-CAkey", key, f"-{digest}", "-days", "800", "-out", out]
        + ["-extfile", extensions, "-set_serial", "7"],
    ):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)
    out.write_bytes(out.read_bytes() + root.read_bytes())
    own(good, out, below)
    (told,) = problems(good)
    assert "CA signature digest algorithm too weak" in told.found and "SHA-256" in told.expected


def test_a_chain_that_begins_with_the_root(good: Config, tmp_path: Path) -> None:
    certificates, _ = written(tmp_path, ROOT, BELOW)
    key = tmp_path / "below.key"
    key.write_bytes(plain(BELOW, PEM))
    own(good, certificates, key)
    (told,) = problems(good)
    assert told.key == "ca.own.certificateFile" and "CN=below, is not the first" in told.found


def test_no_certificate_outlives_a_ca_above(good: Config, tmp_path: Path) -> None:
    top = make(end=NOW + 50 * DAY)
    own(good, *written(tmp_path, make("below", top), top))
    assert [(each.key, each.expected) for each in problems(good)] == [
        ("ca.certificateDays", f"at most 49: the own CA ends on {top.certificate.not_valid_after_utc:%Y-%m-%d}")
    ]


def test_only_what_the_stack_has_must_be_permitted(good: Config, tmp_path: Path) -> None:
    """Without a cluster there is no name of the cluster's."""
    own(good, *written(tmp_path, *UNUSABLE["the cluster's own left out"][0]))
    del good["kubernetes"]
    assert settings.parse(good).own_ca


def test_every_address_alone_is_asked_for() -> None:
    excluded = make(further=x509.NameConstraints(None, [x509.IPAddress(ipaddress.ip_network("10.0.0.0/8"))]))
    (flaw,) = flaws([excluded.certificate], excluded.key, ["a.example"], ["192.0.2.1", "10.1.2.3", "fd00::1"])
    assert flaw.found == "name constraints that leave out 10.1.2.3"


def bundled(path: Path, passphrase: bytes | None, *chain: Ca) -> Path:
    """PKCS#12, as XCA exports it; those above the CA in whatever order."""
    encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    first, *others = chain
    path.write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"own", first.key, first.certificate, [each.certificate for each in reversed(others)], encryption
        )
    )
    return path


def test_pkcs12(good: Config, tmp_path: Path) -> None:
    chain = USABLE["two"]
    file = bundled(tmp_path / "ca.p12", b"right", *chain)
    good["ca"] = {"own": {"certificateFile": str(file), "passphrase": "right"}}
    parsed = settings.parse(good, {"ca"}).own_ca
    assert parsed is not None
    assert [parsed.certificate, *parsed.chain] == [each.certificate.public_bytes(PEM).decode() for each in chain]
    assert parsed.key == plain(chain[0], PEM).decode()


def test_pkcs12_named_twice(good: Config, tmp_path: Path) -> None:
    file = bundled(tmp_path / "ca.p12", None, ROOT)
    own(good, file, file)
    assert settings.parse(good).own_ca


@pytest.mark.parametrize("passphrase", [None, "wrong"])
def test_pkcs12_that_is_not_opened(good: Config, tmp_path: Path, passphrase: str | None) -> None:
    good["ca"] = {"own": {"certificateFile": str(bundled(tmp_path / "ca.p12", b"right", ROOT))}}
    if passphrase:
        good["ca"]["own"]["passphrase"] = passphrase
    (told,) = problems(good, {"ca"})
    assert told.key == "ca.own.passphrase" and "the passphrase of" in told.expected and "right" not in str(told)


def test_der(good: Config, tmp_path: Path) -> None:
    certificate, key = tmp_path / "ca.cer", tmp_path / "ca.key"
    certificate.write_bytes(ROOT.certificate.public_bytes(DER))
    key.write_bytes(plain(ROOT, DER))
    own(good, certificate, key)
    parsed = settings.parse(good).own_ca
    assert parsed is not None and parsed.key == plain(ROOT, PEM).decode()


def test_key_and_certificate_in_one_file(good: Config, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(plain(ROOT, PEM) + ROOT.certificate.public_bytes(PEM))
    good["ca"] = {"own": {"certificateFile": str(file)}}
    assert settings.parse(good).own_ca


def test_no_key_anywhere(good: Config, tmp_path: Path) -> None:
    certificate, _ = written(tmp_path, ROOT)
    good["ca"] = {"own": {"certificateFile": str(certificate)}}
    assert [(each.key, each.found) for each in problems(good)] == [("ca.own.keyFile", "nothing")]
