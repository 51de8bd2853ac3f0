"""What an account at Alibaba Cloud says of a zone and its records: read before the first change, never written.

Owns the calls, their limits in time, and what their errors mean for people. Does not own what follows from the answers:
see decision.py. The calls are those of Alidns 2015-01-09, by Alibaba Cloud's own client.

Rights that the key needs here: alidns:DescribeDomainInfo and DescribeDomainRecords on the zone; DescribeDomains on all
zones only where `dns.alicloud.zone` is not set.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from components.dns.alicloud.decision import Record
from settings.dns import AlicloudSettings, lies_in
from settings.problems import set_command

if TYPE_CHECKING:
    from alibabacloud_alidns20150109.client import Client

CONNECT_MILLISECONDS, READ_MILLISECONDS = 5_000, 10_000
PAGE = 100
"""Zones or records of one answer; DescribeDomains gives at most 100, DescribeDomainRecords 500."""
KEY_VARIABLES = ("ALICLOUD_ACCESS_KEY", "ALIBABA_CLOUD_ACCESS_KEY_ID")
SECRET_VARIABLES = ("ALICLOUD_SECRET_KEY", "ALIBABA_CLOUD_ACCESS_KEY_SECRET")
TOKEN_VARIABLES = ("ALICLOUD_SECURITY_TOKEN", "ALIBABA_CLOUD_SECURITY_TOKEN", "ALIBABACLOUD_SECURITY_TOKEN")
"""Where the key is taken from if the settings have none, and what belongs to one that is lent for a while; the provider
looks there as well, in this order (terraform-provider-alicloud v1.285.0, alicloud/provider.go)."""
CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
"""A file of the authorities that are believed, in place of those of the package certifi."""

Answer = TypeVar("Answer")


class AccountError(Exception):
    """The account could not be asked, or has no such zone: what was found, what was expected, and the way on."""

    def __init__(self, found: str, expected: str, fix: str) -> None:
        super().__init__(f"{found}; expected {expected}")
        self.found, self.expected, self.fix = found, expected, fix


@dataclass(frozen=True)
class Zone:
    """A zone as the account has it."""

    name: str
    minimum_ttl: int
    """Seconds."""
    servers: tuple[str, ...]
    """Names of its name servers; answers come from there if the registrar says so, too."""
    remark: str = ""


class Account:
    """An account, by a key of its own or of the environment. Raises AccountError where there is none."""

    def __init__(self, settings: AlicloudSettings, environment: Mapping[str, str], protocol: str = "HTTPS") -> None:
        self._settings = settings
        key, secret = credentials(settings, environment)
        # Only stacks that have their names there pay for these imports (about a second).
        from alibabacloud_alidns20150109.client import Client
        from alibabacloud_tea_openapi.models import Config

        self._client: Client = Client(
            Config(
                access_key_id=key,
                access_key_secret=secret,
                security_token=_first(environment, TOKEN_VARIABLES),
                endpoint=settings.endpoint,
                protocol=protocol,
                connect_timeout=CONNECT_MILLISECONDS,
                read_timeout=READ_MILLISECONDS,
                # Where a proxy of a company's signs anew, as the provider has it of Go's.
                ca=_first(environment, CA_VARIABLES),
            )
        )

    def zone(self, domain: str) -> Zone | None:
        """The zone that `domain` lies in: the one of the settings, or the longest of the account's. None: not there."""
        name = self._settings.zone or self._longest(domain)
        if name is None:
            return None
        from alibabacloud_alidns20150109.models import DescribeDomainInfoRequest

        try:
            body = self._ask(
                f"zone {name}",
                lambda: self._client.describe_domain_info(
                    DescribeDomainInfoRequest(domain_name=name, need_detail_attributes=True)
                ),
            ).body
        except _NoZone:
            return None
        if body.domain_name is None:
            raise self._strange(f"zone {name}")
        servers = body.dns_servers.dns_server if body.dns_servers else []
        return Zone(name, int(body.min_ttl or 0), tuple(servers or ()), body.remark or "")

    def records(self, zone: str) -> list[Record]:
        """All records of the zone, whatever their line and status."""
        from alibabacloud_alidns20150109.models import DescribeDomainRecordsRequest

        found: list[Record] = []
        for page in self._pages(
            f"records of {zone}",
            lambda number: self._client.describe_domain_records(
                DescribeDomainRecordsRequest(domain_name=zone, page_number=number, page_size=PAGE)
            ),
        ):
            for each in page.domain_records.record or []:
                found.append(
                    Record(
                        id=each.record_id,
                        name=each.rr,
                        type=each.type,
                        value=each.value,
                        line=each.line,
                        enabled=(each.status or "").upper() == "ENABLE",
                        ttl=int(each.ttl or 0),
                        remark=each.remark or "",
                    )
                )
        return found

    def _longest(self, domain: str) -> str | None:
        from alibabacloud_alidns20150109.models import DescribeDomainsRequest

        names = [
            each.domain_name
            for page in self._pages(
                "the account's zones",
                lambda number: self._client.describe_domains(
                    DescribeDomainsRequest(page_number=number, page_size=PAGE)
                ),
            )
            for each in page.domains.domain or []
        ]
        return max((name for name in names if lies_in(domain, name)), key=len, default=None)

    def _pages(self, what: str, ask: Callable[[int], Any]) -> Iterator[Any]:
        """All answers' bodies; the number of pages is known from the total, which each of them tells."""
        number, seen = 1, 0
        while True:
            body = self._ask(what, partial(ask, number)).body
            if body.total_count is None:
                # Not the same as none at all: the stack would make its records beside what is there.
                raise self._strange(what)
            yield body
            seen += PAGE
            if seen >= int(body.total_count):
                return
            number += 1

    def _ask(self, what: str, call: Callable[[], Answer]) -> Answer:
        from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
        from Tea.exceptions import TeaException

        try:
            return call()
        except (AlibabaCloudException, TeaException) as error:
            if error.code:
                raise _explained(what, error.code, error.message or "", self._settings) from error
            raise self._silent(what, str(error)) from error
        except OSError as error:
            raise self._silent(what, str(error)) from error

    def _strange(self, what: str) -> AccountError:
        """Whoever answers is no interface of Alibaba Cloud's for names."""
        endpoint = self._settings.endpoint
        fix = set_command("dns.alicloud.endpoint", "alidns.aliyuncs.com")
        return AccountError(f"{endpoint}, asked for {what}: an answer without it", "the interface Alidns", fix)

    def _silent(self, what: str, said: str) -> AccountError:
        """Nobody answered; the client's words are those of each layer below it, the reason last."""
        reasons = re.findall(r"\[Errno -?\d+\] ([\w ]+)|(certificate verify failed)|(timed out)", said)
        # A proxy's own page may be long.
        reason = next((word for word in reasons[-1] if word), said) if reasons else " ".join(said.split())[:300]
        endpoint = self._settings.endpoint
        fix = f"curl https://{endpoint}; a proxy is taken from HTTPS_PROXY"
        return AccountError(f"{endpoint}, asked for {what}: {reason}", "an answer", fix)


class _NoZone(AccountError):
    """The account has no such zone."""


def credentials(settings: AlicloudSettings, environment: Mapping[str, str]) -> tuple[str, str]:
    """The key and its secret. Raises AccountError where there is none."""
    if settings.access_key and settings.secret_key:
        # The provider would send it along with the settings' key.
        if token := next((name for name in TOKEN_VARIABLES if environment.get(name)), ""):
            raise AccountError(f"{token} in the environment", "none beside a key of the settings", f"unset {token}")
        return settings.access_key, settings.secret_key.get_secret_value()
    key, secret = _first(environment, KEY_VARIABLES), _first(environment, SECRET_VARIABLES)
    if not key or not secret:
        raise AccountError(
            "no key for the account at Alibaba Cloud",
            f"{KEY_VARIABLES[0]} and {SECRET_VARIABLES[0]} in the environment, or both in the settings",
            f"export {KEY_VARIABLES[0]}=… {SECRET_VARIABLES[0]}=…; or {set_command('dns.alicloud.accessKey', 'ID')} "
            f"and {set_command('dns.alicloud.secretKey', secret=True)}",
        )
    return key, secret


def _first(environment: Mapping[str, str], names: Sequence[str]) -> str | None:
    """The first of the variables that says something."""
    return next((environment[name] for name in names if environment.get(name)), None)


def _explained(what: str, code: str, said: str, settings: AlicloudSettings) -> AccountError:
    """What an error of the interface means; its codes are those of Alidns 2015-01-09 and of the gateway before it."""
    found = f"{what}: {code}: {said.splitlines()[0] if said else 'no word'}"
    if code.startswith("InvalidAccessKeyId"):
        return AccountError(found, "a key of the account's", "its id: RAM console, AccessKey; is it disabled?")
    if code in ("SignatureDoesNotMatch", "IncompleteSignature"):
        return AccountError(found, "the secret that belongs to the key", "set the secret anew; is there a blank in it?")
    if code == "IncorrectDomainUser":
        return AccountError(found, "a zone of the key's own account", "use a key of the account that has the zone")
    if code.startswith("Forbidden") or code == "NoPermission":
        own = "" if settings.zone else "; a key for one zone only cannot list them: set dns.alicloud.zone"
        return AccountError(
            found, "the right to read it", f"give the key's user the rights that docs/dns.md lists{own}"
        )
    if code.startswith("Throttling"):
        return AccountError(found, "an answer", "too many calls just now: run it again in a minute")
    if code.startswith("InvalidDomainName"):
        return _NoZone(found, "a zone of the account's", "add it there; or dns.alicloud.addZone")
    return AccountError(found, "an answer", "see Alibaba Cloud's documentation of this error")
