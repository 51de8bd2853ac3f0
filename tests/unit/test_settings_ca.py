"""Wrong settings of the CA, and of one brought along."""

from __future__ import annotations

from typing import Any

import pytest

import settings
from tests.unit.program import Certify
from tests.unit.settings_cases import Bad, Config, own, problems, put, require_named

# What is done to good settings; the key that must be named; words of what is expected; words of the fix.
BAD: dict[str, Bad] = {
    "algorithm unknown": (put("ca.algorithm", "DSA"), "ca.algorithm", "'ECDSA' or 'RSA'", "ca.algorithm ECDSA"),
    "curve unknown": (put("ca.curve", "P257"), "ca.curve", "'P256'", "ca.curve P256"),
    "RSA too short": (put("ca.rsaBits", 1024), "ca.rsaBits", "2048", "ca.rsaBits"),
    "certificates too long": (put("ca.certificateDays", 1000), "ca.certificateDays", "825", "ca.certificateDays 365"),
    "certificates outlive the root": (
        put("ca.rootDays", 60),
        "ca.certificateDays",
        "ca.rootDays (60)",
        "ca.certificateDays 60",
    ),
    "renewed always": (
        put("ca.renewBeforeDays", 365),
        "ca.renewBeforeDays",
        "every certificate",
        "renewBeforeDays 121",
    ),
    "own CA without its key": (
        put("ca.own", {"certificateFile": "/x"}),
        "ca.own.keyFile",
        "private key",
        "ca.own.keyFile",
    ),
    "own CA missing": (
        put("ca.own", {"certificateFile": "/nonexistent", "keyFile": "/nonexistent"}),
        "ca.own.certificateFile",
        "PEM certificate",
        "ca.own.certificateFile",
    ),
    "own CA that is none": (
        put("ca.own", {"certificateFile": __file__, "keyFile": __file__}),
        "ca.own.certificateFile",
        "BEGIN CERTIFICATE",
        "ca.own.certificateFile",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_setting_is_named_with_its_fix(good: Config, kind: str) -> None:
    require_named(good, BAD[kind])


def test_own_ca_is_read(good: Config, certify: Certify) -> None:
    certificate, key = certify()
    own(good, certificate, key)
    parsed = settings.parse(good)
    assert parsed.own_ca is not None
    assert parsed.own_ca.certificate == certificate.read_text()
    assert parsed.own_ca.key == key.read_text()


def test_own_ca_with_a_passphrase_is_read(good: Config, certify: Certify) -> None:
    own(good, *certify(passphrase=b"right"), "right")
    parsed = settings.parse(good, {"ca"})
    assert parsed.own_ca is not None
    assert "ENCRYPTED" not in parsed.own_ca.key


@pytest.mark.parametrize(
    ("arguments", "passphrase", "key", "words"),
    [
        ({"days": -1}, None, "ca.own.certificateFile", "still valid"),
        ({"days": 100}, None, "ca.certificateDays", "at most 99"),
        ({"days": 5000}, None, "ca.own.certificateFile", "valid now"),
        ({"ca": False}, None, "ca.own.certificateFile", "CA:TRUE"),
        ({"passphrase": b"right"}, None, "ca.own.passphrase", "the passphrase of"),
        ({"passphrase": b"right"}, "wrong", "ca.own.passphrase", "the passphrase of"),
        ({}, "needless", "ca.own.passphrase", "no passphrase"),
    ],
)
def test_bad_own_ca(
    good: Config, certify: Certify, arguments: dict[str, Any], passphrase: str | None, key: str, words: str
) -> None:
    own(good, *certify(**arguments), passphrase)
    found = problems(good, {"ca"})
    assert any(p.key == key and words in p.expected for p in found), found


def test_own_ca_with_anothers_key(good: Config, certify: Certify) -> None:
    certificate, _ = certify()
    _, other = certify(name="other")
    own(good, certificate, other)
    assert [(p.key, "another certificate's key" in p.found) for p in problems(good)] == [("ca.own.keyFile", True)]
