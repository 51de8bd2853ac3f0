"""Two clients that know nothing of the stand-in: requests signed by the documented rule, and Alibaba's for Python."""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib
import json
import re
import uuid
from datetime import UTC, datetime
from http.client import HTTPConnection
from typing import Any, Protocol
from urllib.parse import quote, urlencode

VERSION = "2015-01-09"


class Refused(Exception):
    """An answer other than success."""

    def __init__(self, status: int, code: str, message: str, data: dict[str, Any]) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message, self.data = status, code, message, data


class Client(Protocol):
    def call(self, action: str, **given: Any) -> dict[str, Any]: ...


class Signed:
    """HMAC-SHA1 in the query, by help/en/sdk/product-overview/rpc-mechanism; also how Alibaba's Go client signs."""

    def __init__(self, endpoint: str, key: str, secret: str) -> None:
        self.endpoint, self.key, self.secret = endpoint, key, secret

    def query(self, action: str, **given: Any) -> dict[str, str]:
        return {
            "Action": action,
            "Version": VERSION,
            "Format": "JSON",
            "AccessKeyId": self.key,
            "SignatureMethod": "HMAC-SHA1",
            "SignatureVersion": "1.0",
            "SignatureType": "",
            "SignatureNonce": str(uuid.uuid4()),
            "Timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            **{name: str(value) for name, value in given.items()},
        }

    def signature(self, method: str, query: dict[str, str]) -> str:
        canonical = "&".join(f"{quote(name, safe='~')}={quote(query[name], safe='~')}" for name in sorted(query))
        text = f"{method}&%2F&{quote(canonical, safe='~')}"
        return base64.b64encode(hmac.new(f"{self.secret}&".encode(), text.encode(), hashlib.sha1).digest()).decode()

    def call(self, action: str, **given: Any) -> dict[str, Any]:
        query = self.query(action, **given)
        return self.send("POST", {**query, "Signature": self.signature("POST", query)})

    def send(self, method: str, query: dict[str, str]) -> dict[str, Any]:
        connection = HTTPConnection(self.endpoint, timeout=10)
        try:
            connection.request(method, "/?" + urlencode(query))
            answer = connection.getresponse()
            found: dict[str, Any] = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status != 200:
            raise Refused(answer.status, found["Code"], found["Message"], found)
        return found


class Official:
    """PyPI's alibabacloud_alidns20150109: ACS3-HMAC-SHA256, and models that parse the answers."""

    def __init__(self, endpoint: str, key: str, secret: str) -> None:
        models = importlib.import_module("alibabacloud_tea_openapi.models")
        client = importlib.import_module("alibabacloud_alidns20150109.client")
        configuration = models.Config(access_key_id=key, access_key_secret=secret, endpoint=endpoint, protocol="HTTP")
        self._models = importlib.import_module("alibabacloud_alidns20150109.models")
        self._errors = importlib.import_module("alibabacloud_tea_openapi.exceptions")
        self._client = client.Client(configuration)

    def call(self, action: str, **given: Any) -> dict[str, Any]:
        request = getattr(self._models, f"{action}Request")()
        request.from_map(given)
        method = getattr(self._client, re.sub(r"(?<!^)(?=[A-Z])", "_", action).lower())
        try:
            found: dict[str, Any] = method(request).body.to_map()
        except self._errors.AlibabaCloudException as error:
            raise Refused(error.status_code, error.code, error.message, error.data) from error
        return found
