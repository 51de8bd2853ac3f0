"""Secrets: what encrypts and hashes what the database keeps, and signs tokens. Owns gitlab-secrets.json.

Tokens are kept as digests, variables and job inputs encrypted; without gitlab-secrets.json a backup can't be read,
as with GitLab.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import time
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZabcdefghjkmnpqrstvwxyz_"


class Vault:
    """The installation's keys, made once and kept in gitlab-secrets.json."""

    def __init__(self, file: Path) -> None:
        values = json.loads(file.read_text()) if file.exists() else None
        if values is None:
            values = _new_secrets()
            file.parent.mkdir(parents=True, exist_ok=True)
            draft = file.with_name(f"{file.name}.draft")
            draft.touch(mode=0o600)
            draft.write_text(json.dumps(values, indent=2) + "\n")
            draft.rename(file)
        rails = values["gitlab_rails"]
        self.shell_secret = str(values["gitlab_shell"]["secret_token"])
        self._cipher = AESGCM(bytes.fromhex(rails["db_key_base"]))
        self._digest_key = bytes.fromhex(rails["secret_key_base"])
        key = serialization.load_pem_private_key(values["registry"]["internal_key"].encode(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{file}: registry.internal_key is not an elliptic curve key")
        self._signing_key = key

    def encrypt(self, text: str) -> bytes:
        nonce = os.urandom(12)
        return nonce + self._cipher.encrypt(nonce, text.encode(), None)

    def decrypt(self, sealed: bytes) -> str:
        return self._cipher.decrypt(sealed[:12], sealed[12:], None).decode()

    def digest(self, token: str) -> str:
        """What is kept of a token."""
        return hmac.new(self._digest_key, token.encode(), hashlib.sha256).hexdigest()

    def ticket(self, purpose: str, user_id: int, seconds: int) -> str:
        """What lets its bearer act as the user for one purpose ("session" for a browser, "lfs"), for some time."""
        content = f"{user_id}.{int(time.time()) + seconds}"
        return f"{content}.{self.digest(f'{purpose} {content}')}"

    def ticket_user(self, purpose: str, ticket: str) -> int | None:
        """Whose ticket it is, or None where it is not one for this purpose, or not any more."""
        user, _, rest = ticket.partition(".")
        until, _, signature = rest.partition(".")
        expected = self.digest(f"{purpose} {user}.{until}")
        if not hmac.compare_digest(signature, expected) or int(until) < time.time():
            return None
        return int(user)

    @property
    def key_set(self) -> dict[str, Any]:
        """The registry's trust: a JSON Web Key Set."""
        numbers = self._signing_key.public_key().public_numbers()
        x, y = (_base64(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
        key = {"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "x": x, "y": y, "kid": self._key_id}
        return {"keys": [key]}

    def sign(self, claims: dict[str, Any]) -> str:
        """A JSON Web Token that the registry takes."""
        header = {"alg": "ES256", "typ": "JWT", "kid": self._key_id}
        content = ".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
        r, s = decode_dss_signature(self._signing_key.sign(content.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{content}.{_base64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    @property
    def _key_id(self) -> str:
        public = self._signing_key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return hashlib.sha256(public).hexdigest()[:32]


def new_token(prefix: str) -> str:
    """A token with GitLab's prefix for its kind, as glpat-…"""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(20 if prefix else 32))


def hash_password(password: str) -> str:
    salt = os.urandom(16)
    return f"{salt.hex()}${hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1).hex()}"


def password_matches(password: str, kept: str | None) -> bool:
    if not kept:
        return False
    salt, _, expected = kept.partition("$")
    found = hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), n=2**14, r=8, p=1).hex()
    return hmac.compare_digest(found, expected)


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _new_secrets() -> dict[str, Any]:
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "gitlab_shell": {"secret_token": secrets.token_hex(64)},
        "gitlab_rails": {"db_key_base": secrets.token_hex(32), "secret_key_base": secrets.token_hex(64)},
        "registry": {"internal_key": key.decode()},
    }
