"""Accounts, keys, domains and records, in one JSON file that a restart reads again.

Owns the file, its lock and who is told of a change. What an action does with the data: domains.py and records.py.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

# The least TTL of each edition. Free zones: issues 640 of aliyun/terraform-provider-alicloud, 280 of jeessy2/ddns-go.
# Codes: `version_code` of alibabacloud_alidns20150109 4.6.1, models/_describe_domain_info_response_body.py. The paid
# editions' limits are from Alibaba's price list and not confirmed.
EDITIONS = {"mianfei": 600, "version_personal": 600, "version_enterprise_basic": 60, "version_enterprise_advanced": 1}


@dataclass
class Key:
    """An access key. Without a policy it is the account's own, which may do everything."""

    account: str
    secret: str
    policy: dict[str, Any] | None = None


@dataclass
class Record:
    id: str
    domain: str
    rr: str
    type: str
    value: str
    ttl: int
    line: str
    priority: int | None
    created: int
    updated: int
    enabled: bool = True
    remark: str = ""


@dataclass
class Domain:
    name: str
    account: str
    id: str
    created: int
    edition: str = "mianfei"
    remark: str = ""
    tags: dict[str, str] = field(default_factory=dict)


@dataclass
class Data:
    """All there is. `registrations`: the name servers that a domain's registry has for it, whoever serves it."""

    keys: dict[str, Key] = field(default_factory=dict)
    registrations: dict[str, list[str]] = field(default_factory=dict)
    domains: dict[str, Domain] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    count: int = 0
    """How many things were ever made: ids are never given twice."""
    revision: int = 1
    """How often the data changed: the zones' serial."""

    @classmethod
    def parse(cls, found: dict[str, Any]) -> Data:
        """Of JSON; a key that it does not know is an error, as a silently ignored one would change nothing."""
        return cls(
            keys={name: Key(**key) for name, key in found.pop("keys", {}).items()},
            domains={name: Domain(**domain) for name, domain in found.pop("domains", {}).items()},
            records={name: Record(**record) for name, record in found.pop("records", {}).items()},
            **found,
        )

    def number(self) -> int:
        self.count += 1
        return self.count

    def of(self, domain: str) -> list[Record]:
        """A domain's records, the newest first, as upstream lists them."""
        found = [record for record in self.records.values() if record.domain == domain]
        return sorted(found, key=lambda record: int(record.id), reverse=True)


def now() -> int:
    """Milliseconds, as upstream's timestamps."""
    return int(time.time() * 1000)


class Store:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.RLock()
        self.data = Data.parse(json.loads(file.read_text())) if file.exists() else Data()
        self.changed: Callable[[Data], None] = lambda _: None
        """Called under the lock after each change."""

    @contextmanager
    def reading(self) -> Iterator[Data]:
        with self._lock:
            yield self.data

    @contextmanager
    def writing(self) -> Iterator[Data]:
        """A change: written to the file before anyone has its answer; one that raises changes nothing."""
        with self._lock:
            before = json.dumps(asdict(self.data))
            try:
                yield self.data
            except BaseException:
                self.data = Data.parse(json.loads(before))
                raise
            self.data.revision += 1
            self._write()
            self.changed(self.data)

    def replace(self, found: dict[str, Any]) -> None:
        """Everything anew, as a test seeds it. The revision goes on: a secondary would not take an older zone."""
        data = Data.parse(dict(found))
        with self._lock:
            data.revision = max(data.revision, self.data.revision) + 1
            self.data = data
            self._write()
            self.changed(data)

    def _write(self) -> None:
        temporary = self._file.with_suffix(".new")
        with suppress(FileNotFoundError):
            temporary.unlink()
        temporary.touch(mode=0o600)  # it has secrets
        temporary.write_text(json.dumps(asdict(self.data), indent=1))
        temporary.replace(self._file)
