"""Wrong settings of DNS."""

from __future__ import annotations

import pytest

from tests.unit.settings_cases import Bad, Config, Spoil, drop, put, require_named


def both(*spoils: Spoil) -> Spoil:
    """One after the other."""

    def spoil(config: Config) -> None:
        for each in spoils:
            each(config)

    return spoil


# What is done to good settings; the key that must be named; words of what is expected; words of the fix.
BAD: dict[str, Bad] = {
    "DNS provider unknown": (put("dns.provider", "bind"), "dns.provider", "'bind9'", "dns.provider bind9"),
    "DNS host missing": (drop("dns.host"), "dns.host", "the machine that BIND runs on", "dns.host dns"),
    "DNS host without BIND": (
        put("dns.provider", "none"),
        "dns.host",
        "nothing",
        "config rm --path auto-devops:dns.host",
    ),
    "forwarder that is a name": (
        put("dns.forwarders", ["dns.google"]),
        "dns.forwarders[0]",
        "IPv4 or IPv6",
        "dns.forwarders",
    ),
    "forwarder that is BIND itself": (
        put("dns.forwarders", ["192.168.80.110"]),
        "dns.forwarders[0]",
        "itself",
        "config rm",
    ),
    "network with host bits": (
        put("dns.allowQueriesFrom", ["10.0.0.1/8"]),
        "dns.allowQueriesFrom[0]",
        "network",
        "allowQueriesFrom",
    ),
    "an account without alicloud": (
        put("dns.alicloud.zone", "example.com"),
        "dns.alicloud",
        "dns.provider is bind9",
        "config rm",
    ),
    "a zone elsewhere": (
        both(put("dns.provider", "alicloud"), put("dns.alicloud.zone", "example.org")),
        "dns.alicloud.zone",
        "a zone that devops.example.com lies in",
        "config rm",
    ),
    "a zone with the final dot": (
        both(put("dns.provider", "alicloud"), put("dns.alicloud.zone", "Example.com.")),
        "dns.alicloud.zone",
        "lower-case",
        # Never another domain of the platform's.
        "auto-devops:dns.alicloud.zone example.com",
    ),
    "a zone that only ends alike": (
        both(put("dns.provider", "alicloud"), put("dns.alicloud.zone", "ample.com")),
        "dns.alicloud.zone",
        "a zone that",
        "config rm",
    ),
    "a key without its secret": (
        both(put("dns.provider", "alicloud"), put("dns.alicloud.accessKey", "LTAI")),
        "dns.alicloud.secretKey",
        "the secret of",
        "set --secret",
    ),
    "an endpoint that is a URL": (
        both(put("dns.provider", "alicloud"), put("dns.alicloud.endpoint", "https://x")),
        "dns.alicloud.endpoint",
        "a host",
        "dns.alicloud.endpoint",
    ),
    "TTL of nothing": (put("dns.ttl", 0), "dns.ttl", "10", "dns.ttl 300"),
    "a record of the platform's": (
        put("dns.records", {"gitlab": "10.0.0.1"}),
        "dns.records.gitlab",
        "does not use itself",
        "rm",
    ),
    "a record's address that is none": (
        put("dns.records", {"wiki": "there"}),
        "dns.records.wiki",
        "IPv4",
        "dns.records.wiki",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_setting_is_named_with_its_fix(good: Config, kind: str) -> None:
    require_named(good, BAD[kind])
