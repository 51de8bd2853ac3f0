"""Whether certificates from a CA will be believed: one is issued, in memory, and verified as clients do.

Owns: issuing it as the program's certificates are issued, and the judgement: by OpenSSL as Debian has it (security
level 2) and as Python 3.13 asks it (X509_STRICT), by cryptography's verifier, which has the rules of browsers, and by
the rules of Go that those lack. Does not own reading the CA. It never uses the network.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ORDER = "the issuing CA first, then each one's own issuer, the root last"
GO_RSA_BITS = 8192
"""The largest RSA key of a certificate that a server sends (Go 1.26, crypto/tls/handshake_client.go)."""

WANTED = {
    # OpenSSL's codes (3.0, include/openssl/x509_vfy.h.in).
    24: "basicConstraints CA:TRUE and a keyUsage with keyCertSign in each CA's certificate",
    25: "a path length that leaves room: pathlen:0 allows no CA below",
    26: "no extendedKeyUsage, or one with serverAuth",
    32: "a keyUsage with keyCertSign",
    66: "keys of at least 2048 bits (RSA) or 224 (ECDSA)",
    67: "keys of at least 2048 bits (RSA) or 224 (ECDSA)",
    68: "signatures with SHA-256 or better",
    79: "basicConstraints CA:TRUE and a keyUsage with keyCertSign in each CA's certificate",
    85: "an authorityKeyIdentifier, which a certificate gets from the subjectKeyIdentifier of its CA",
    86: "a subjectKeyIdentifier in each CA's certificate",
    89: "basicConstraints that are critical",
    92: "a keyUsage with keyCertSign",
}
NO_CHECK_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME: whether it is valid now is told with the file (`files.py`)."""
UNFIT_PURPOSE = 26
NAME_CONSTRAINTS = (47, 48)
"""Outside of what the CA's name constraints permit; inside of what they exclude."""


@dataclass(frozen=True)
class Flaw:
    """Why certificates of the CA will not be believed, and what would be right."""

    found: str
    wanted: str


def flaws(
    chain: Sequence[x509.Certificate],
    key: CertificateIssuerPrivateKeyTypes,
    names: Sequence[str],
    addresses: Sequence[str],
) -> list[Flaw]:
    """What is wrong with a CA, first in `chain`, with those above it, for certificates of these names and addresses."""
    if disorder := _disorder(chain):
        return [disorder]
    try:
        leaf, leaf_key = _issue(chain[0], key, names, addresses)
    except (ValueError, UnsupportedAlgorithm) as error:
        return [Flaw(f"a key that cannot sign: {error}", WANTED[67])]
    found = [*_go(chain), *_browsers(chain), *_refused(chain, key, names, addresses, leaf, leaf_key)]
    return list(dict.fromkeys(found))


def in_order(certificates: Sequence[x509.Certificate], first: x509.Certificate) -> list[x509.Certificate]:
    """`first`, then its CA, then the CA of that, as far as they are there."""
    chain, left = [first], [each for each in certificates if each != first]
    while above := next((each for each in left if _issued(chain[-1], each)), None):
        chain.append(above)
        left.remove(above)
    return chain


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """By name; whether the signature is right is the verifiers' to say."""
    return certificate.issuer == issuer.subject


def _disorder(chain: Sequence[x509.Certificate]) -> Flaw | None:
    """Each certificate is followed by its own issuer, and the last is a root."""
    ordered = in_order(chain, chain[0])
    if ordered != list(chain):
        return Flaw("certificates in another order: " + ", ".join(map(_name, chain)), ORDER)
    if not _issued(chain[-1], chain[-1]):
        return Flaw(f"no root: {_name(chain[-1])} comes from {chain[-1].issuer.rfc4514_string()}", ORDER)
    return None


def _asked(name: str) -> str:
    """A name that a client may ask for, of a wildcard as well."""
    return name.replace("*", "any")


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string() or "one without a name"


def _go(chain: Sequence[x509.Certificate]) -> Iterator[Flaw]:
    """What Go refuses (1.26, crypto/x509), in which Docker, Kubernetes and the registry are written."""
    for certificate in chain:
        if certificate.serial_number < 0:
            yield Flaw(f"{_name(certificate)}: a negative serial number", "a positive one (Go reads no other)")
        try:
            uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except x509.ExtensionNotFound:
            continue
        # Those of every CA on the way, the root's too (verify.go, checkChainForKeyUsage).
        if not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(uses):
            yield Flaw(f"{_name(certificate)}: extendedKeyUsage without serverAuth", WANTED[26])
    for certificate in chain[:-1]:
        key = certificate.public_key()
        if isinstance(key, rsa.RSAPublicKey) and key.key_size > GO_RSA_BITS:
            yield Flaw(
                f"{_name(certificate)}: an RSA key of {key.key_size} bits", f"at most {GO_RSA_BITS} (Go's limit)"
            )


def _browsers(chain: Sequence[x509.Certificate]) -> Iterator[Flaw]:
    """What browsers refuse, and TLS libraries may not (CA/Browser Forum, Baseline Requirements, 6.1.5)."""
    for certificate in chain:
        if not isinstance(certificate.public_key(), rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
            kind = type(certificate.public_key()).__name__.removesuffix("PublicKey")
            yield Flaw(f"{_name(certificate)}: a key of kind {kind}", "RSA or ECDSA: browsers know no other")


def _refused(
    chain: Sequence[x509.Certificate],
    key: CertificateIssuerPrivateKeyTypes,
    names: Sequence[str],
    addresses: Sequence[str],
    leaf: x509.Certificate,
    leaf_key: ec.EllipticCurvePrivateKey,
) -> Iterator[Flaw]:
    """What the verifiers say of `leaf`, a certificate for all of these."""
    for strict in (False, True):
        who = "Python 3.13 (OpenSSL, X509_STRICT)" if strict else "OpenSSL (security level 2)"
        error = _handshake(chain, leaf, leaf_key, names[0], strict=strict)
        if error is None:
            continue
        code = getattr(error, "verify_code", None)
        if code == UNFIT_PURPOSE and any(each.wanted == WANTED[code] for each in _go(chain)):
            return
        if code in NAME_CONSTRAINTS:
            outside = [each for each in (*names, *addresses) if _excludes(chain, key, each)]
            yield Flaw(f"name constraints that leave out {', '.join(outside)}", "none, or such that permit these")
        else:
            said = getattr(error, "verify_message", None) or error.reason or str(error)
            yield Flaw(f"refused by {who}: {said}", WANTED.get(code or 0, "a CA that OpenSSL believes"))
        return
    if any(_browsers(chain)):
        return
    try:
        store, now = verification.Store([chain[-1]]), datetime.datetime.now(datetime.UTC)
        verifier = (
            verification.PolicyBuilder().store(store).time(now).build_server_verifier(x509.DNSName(_asked(names[0])))
        )
        verifier.verify(leaf, list(chain[:-1]))
    except verification.VerificationError as error:
        yield Flaw(f"refused by the rules of browsers: {error}", "a CA as RFC 5280 has it")


def _excludes(chain: Sequence[x509.Certificate], key: CertificateIssuerPrivateKeyTypes, name: str) -> bool:
    """Whether the CA may not certify just this."""
    try:
        address = [str(ipaddress.ip_address(name))]
    except ValueError:
        leaf, leaf_key = _issue(chain[0], key, [name], [])
    else:
        leaf, leaf_key = _issue(chain[0], key, [], address)
    error = _handshake(chain, leaf, leaf_key, name, strict=False)
    return getattr(error, "verify_code", None) in NAME_CONSTRAINTS


def _issue(
    issuer: x509.Certificate, key: CertificateIssuerPrivateKeyTypes, names: Sequence[str], addresses: Sequence[str]
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A certificate as terraform-provider-tls makes it (internal/provider/common_cert.go), and its key."""
    leaf_key = ec.generate_private_key(ec.SECP256R1())
    public, now = leaf_key.public_key(), datetime.datetime.now(datetime.UTC)
    subject = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "auto-devops"),
        # Where there is a name, it is here as well; DNS constraints hold for what looks like one.
        x509.NameAttribute(NameOID.COMMON_NAME, (names[0] if names else "an address")[:64]),
    ]
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    alternatives += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    uses = dict.fromkeys(
        ("content_commitment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign"), False
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(issuer.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True, key_encipherment=True, encipher_only=False, decipher_only=False, **uses
            ),
            critical=True,
        )
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    )
    try:
        above = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        pass  # Go's CreateCertificate gives none then, either
    else:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(above)
        builder = builder.add_extension(identifier, critical=False)
    return builder.sign(key, _digest(key)), leaf_key


def _digest(key: CertificateIssuerPrivateKeyTypes) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    """What Go signs with (crypto/x509, signingParamsForKey)."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        sizes: dict[int, hashes.SHA384 | hashes.SHA512] = {384: hashes.SHA384(), 521: hashes.SHA512()}
        return sizes.get(key.curve.key_size, hashes.SHA256())
    return hashes.SHA256() if isinstance(key, rsa.RSAPrivateKey) else None


def _handshake(
    chain: Sequence[x509.Certificate],
    leaf: x509.Certificate,
    leaf_key: ec.EllipticCurvePrivateKey,
    name: str,
    *,
    strict: bool,
) -> ssl.SSLError | None:
    """What a client that trusts the root says to a server with `leaf`; both are here, and nothing is sent."""
    pem = serialization.Encoding.PEM
    private = leaf_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.set_ciphers("DEFAULT:@SECLEVEL=0")  # the client is the one who judges
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "server.pem"  # OpenSSL's interface in Python reads files only
        file.write_bytes(private + b"".join(each.public_bytes(pem) for each in (leaf, *chain[:-1])))
        server.load_cert_chain(file)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.set_ciphers("DEFAULT:@SECLEVEL=2")
    client.verify_flags = ssl.VerifyFlags(NO_CHECK_TIME | (ssl.VERIFY_X509_STRICT if strict else 0))
    client.load_verify_locations(cadata=chain[-1].public_bytes(serialization.Encoding.DER))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=_asked(name)),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(4):  # as many flights as a handshake has
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError as error:
                return error
    return None
