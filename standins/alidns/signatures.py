"""Who signed a request: both of Alibaba's schemes for an access key.

- HMAC-SHA1 in the query, as Alibaba's Go client signs, which upstream's provider uses for Alidns:
  alibaba-cloud-sdk-go v1.63.107, sdk/auth/rpc_signature_composer.go.
- ACS3-HMAC-SHA256 in headers, as the Python client signs: alibabacloud_tea_openapi 0.4.6, utils.py `get_authorization`,
  client.py `execute`.

A request older or newer than 15 minutes is refused, and one whose nonce was used before. Other schemes (STS, bearer
tokens, RSA, SM3) are refused by name.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from standins.alidns.errors import ApiError, missing, unsupported
from standins.alidns.store import Key

_MINUTES = 15
_SIGNED = {"host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"}


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    form: dict[str, str]
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes

    @property
    def action(self) -> str:
        return self.headers.get("x-acs-action") or self.parameters.get("Action", "")

    @property
    def version(self) -> str:
        return self.headers.get("x-acs-version") or self.parameters.get("Version", "")

    @property
    def parameters(self) -> dict[str, str]:
        return {**self.query, **self.form}


class Signatures:
    def __init__(self) -> None:
        self._used: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def check(self, request: Request, keys: Mapping[str, Key]) -> tuple[str, Key]:
        """The key's id and the key."""
        if "authorization" in request.headers:
            name, key, moment, nonce = _acs3(request, keys)
        else:
            name, key, moment, nonce = _v1(request, keys)
        _fresh(moment)
        self._once(name, nonce)
        return name, key

    def _once(self, key: str, nonce: str) -> None:
        moment = time.monotonic()
        with self._lock:
            # A nonce has to be remembered as long as its timestamp is good, into either direction.
            oldest = moment - 2 * _MINUTES * 60
            self._used = {used: when for used, when in self._used.items() if when > oldest}
            if (key, nonce) in self._used:
                raise ApiError("SignatureNonceUsed", "Specified signature nonce was used already.")
            self._used[key, nonce] = moment


def _v1(request: Request, keys: Mapping[str, Key]) -> tuple[str, Key, str, str]:
    found = request.parameters
    for name in ("AccessKeyId", "Signature", "SignatureMethod", "SignatureVersion", "SignatureNonce", "Timestamp"):
        if not found.get(name):
            raise missing(name)
    if found["SignatureMethod"] != "HMAC-SHA1" or found["SignatureVersion"] != "1.0" or found.get("SignatureType"):
        raise unsupported(request.action, "this signature (HMAC-SHA1, version 1.0, of an access key is)")
    if found.get("SecurityToken"):
        raise unsupported(request.action, "a security token")
    key = _key(found["AccessKeyId"], keys)
    pairs = sorted((name, value) for name, value in found.items() if name != "Signature")
    canonical = "&".join(f"{_escape(name)}={_escape(value)}" for name, value in pairs)
    text = f"{request.method}&{_escape('/')}&{_escape(canonical)}"
    digest = hmac.new(f"{key.secret}&".encode(), text.encode(), hashlib.sha1).digest()
    _compare(base64.b64encode(digest).decode(), found["Signature"], text)
    return found["AccessKeyId"], key, found["Timestamp"], found["SignatureNonce"]


def _acs3(request: Request, keys: Mapping[str, Key]) -> tuple[str, Key, str, str]:
    headers = request.headers
    matched = re.fullmatch(
        r"(\S+) Credential=([^,]+),\s*SignedHeaders=([^,]+),\s*Signature=([0-9a-f]+)", headers["authorization"]
    )
    if matched is None or matched[1] != "ACS3-HMAC-SHA256":
        raise unsupported(request.action, f"the signature {headers['authorization'].partition(' ')[0]}")
    if headers.get("x-acs-security-token"):
        raise unsupported(request.action, "a security token")
    key = _key(matched[2], keys)
    signed = matched[3].split(";")
    for name in sorted(_SIGNED):
        if name not in signed or name not in headers:
            raise missing(name)
    digest = hashlib.sha256(request.body).hexdigest()
    query = "&".join(f"{_escape(name)}={_escape(value)}" for name, value in sorted(request.query.items()))
    lines = "".join(f"{name}:{headers.get(name, '').strip()}\n" for name in signed)
    canonical = "\n".join((request.method, request.path, query, lines, matched[3], digest))
    text = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    _compare(hmac.new(key.secret.encode(), text.encode(), hashlib.sha256).hexdigest(), matched[4], text)
    return matched[2], key, headers["x-acs-date"], headers["x-acs-signature-nonce"]


def _key(name: str, keys: Mapping[str, Key]) -> Key:
    if name not in keys:
        raise ApiError("InvalidAccessKeyId.NotFound", "Specified access key is not found.", 404)
    return keys[name]


def _compare(ours: str, theirs: str, text: str) -> None:
    if not hmac.compare_digest(ours, theirs):
        # The Go client compares the string with its own, to tell a wrong secret from a wrong way to sign.
        raise ApiError(
            "SignatureDoesNotMatch",
            f"Specified signature is not matched with our calculation. server string to sign is:{text}",
        )


def _fresh(moment: str) -> None:
    try:
        sent = datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise ApiError("InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted.") from None
    if abs((datetime.now(UTC) - sent).total_seconds()) > _MINUTES * 60:
        raise ApiError("InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")


def _escape(text: str) -> str:
    return quote(text, safe="~")
