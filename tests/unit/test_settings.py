"""Every kind of wrong setting ends before the first resource: its key, what was found, what is right, and the fix.

What is wrong with one concern's is in the test of that concern; here is what holds for all.
"""

from __future__ import annotations

import json

import pulumi
import pytest
from pydantic import SecretStr

import settings
from settings.kinds import Section
from settings.problems import Problem, report
from tests.unit.program import Run
from tests.unit.settings_cases import Bad, Config, Spoil, drop, problems, put, require_named

# What is done to good settings; the key that must be named; words of what is expected; words of the fix.
BAD: dict[str, Bad] = {
    "domain missing": (drop("domain"), "domain", "own DNS domain", "config set auto-devops:domain"),
    "domain with one label": (
        put("domain", "devops"),
        "domain",
        "at least two labels",
        "config set auto-devops:domain",
    ),
    "domain in capitals": (put("domain", "Example.COM"), "domain", "lower-case", "auto-devops:domain example.com"),
    "domain with a bad label": (put("domain", "-a.example.com"), "domain", "DNS domain", "auto-devops:domain"),
    "domain with a final dot": (put("domain", "example.com."), "domain", "without the final dot", "domain example.com"),
    "domain that leaves no room for services' names": (
        put("domain", ".".join(["a" * 60] * 3) + ".abc"),
        "domain",
        "DNS domain",
        "auto-devops:domain",
    ),
    "domain of multicast DNS": (put("domain", "devops.local"), "domain", "outside .local", "auto-devops:domain"),
    "domain that is an address": (put("domain", "192.168.80.1"), "domain", "DNS domain", "auto-devops:domain"),
    "unknown key with a near name": (
        put("registri", {}),
        "registri",
        "did you mean registry",
        "config rm auto-devops:registri",
    ),
    "unknown key without one": (put("zzz", {}), "zzz", "one of ca, ci, dns", "config rm auto-devops:zzz"),
    "unknown nested key": (
        put("hosts.dns.adress", "x"),
        "hosts.dns.adress",
        "did you mean hosts.dns.address",
        "config rm",
    ),
    "unknown deeper key": (
        put("registry.images.ngin", "x"),
        "registry.images.ngin",
        "registry.images.nginx",
        "config rm",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_setting_is_named_with_its_fix(good: Config, kind: str) -> None:
    require_named(good, BAD[kind])


def test_good_settings_are_accepted(good: Config) -> None:
    parsed = settings.parse(good)
    assert parsed.machines["gitlab"].user == "ops"
    assert parsed.machines["dns"].user == "root"
    assert parsed.records() == {
        "docker": "192.168.80.112",
        "registry": "192.168.80.112",
        "gitlab": "192.168.80.113",
        "k8s": "192.168.80.96",
        "*.k8s": "192.168.80.96",
    }


# Each is right but for the line break.
LINES: dict[str, object] = {
    "domain": "devops.example.com\n",
    "ssh.user": "ops\n",
    "hosts.dns.address": "192.168.80.110\n",
    "dns.records": {"wiki\n": "192.168.80.9"},
    "dns.allowQueriesFrom": ["10.0.0.0/8\n"],
    "docker.prune.schedule": "daily\n",
    "docker.prune.keepStorage": "10GB\n",
    "docker.registryMirrors": ["https://mirror.corp\n"],
    "registry.login": {"username": "ci\n", "password": "long enough"},
    "registry.images.nginx": "docker.io/library/nginx:1\n",
    "gitlab.image": "docker.io/gitlab/gitlab-ce:19.4.0-ce.0\n",
    "gitlab.dataDirectory": "/srv/gitlab\n",
    "kubernetes.version": "1.36.3\n",
    "mirrors.images": {"docker.io": "mirror.corp\n"},
    "mirrors.kubernetes": "https://mirror.corp/k8s\n",
    "ci.goProxy": "direct\n",
    "projects.group": {"group": "team\n", "name": "hello", "pipeline": "auto"},
    "projects.name": {"group": "team", "name": "hello\n", "pipeline": "auto"},
    "projects.branch": {"group": "team", "name": "hello", "pipeline": "auto", "branch": "main\n"},
    "projects.variables": {"group": "team", "name": "hello", "pipeline": "auto", "variables": {"A\n": "b"}},
    "projects.secrets": {"group": "team", "name": "hello", "pipeline": "auto", "secrets": {"A": "long-enough\n"}},
}


@pytest.mark.parametrize("key", LINES)
def test_a_line_break_at_the_end_is_refused(good: Config, key: str) -> None:
    if key.startswith("projects."):
        good["projects"] = [LINES[key]]
        key = key.replace("projects", "projects[0]")
    else:
        put(key, LINES[key])(good)
    found = [p.key for p in problems(good, {"registry", "projects"})]
    assert [each for each in found if each.startswith(key)], found


def test_all_problems_come_at_once(good: Config) -> None:
    """A wrong section hides neither the wrong host, nor the unknown key, nor the rule between two settings."""
    put("domain", "Example.COM")(good)
    put("ca.algorithm", "DSA")(good)
    drop("hosts.k8s.address")(good)
    put("dns.host", "ns1")(good)
    put("zzz", {})(good)
    assert {p.key for p in problems(good)} == {"domain", "ca.algorithm", "hosts.k8s.address", "dns.host", "zzz"}


def test_report_names_stack_and_every_part() -> None:
    text = report([Problem("domain", "nothing", "a domain", "do this")], "dev")
    assert text == (
        "1 setting of stack 'dev' is wrong; nothing was changed.\n\n"
        "  auto-devops:domain\n    found:    nothing\n    expected: a domain\n    fix:      do this"
    )


SECRET = "correct-horse-battery"


LEAKS: dict[str, Spoil] = {
    "a mistyped password": put("registry.login", {"username": "ci", "pasword": SECRET}),
    "a mistyped object with a password": put("registry.lgin", {"username": "ci", "password": SECRET}),
    "a name that says nothing": put("registry.zzz", SECRET),
    "a top-level key that says nothing": put("zzz", {"token": [SECRET]}),
    "a text where an object belongs": put("registry.login", SECRET),
    "a whole section of the wrong type": put("registry", f'{{"login": {{"password": "{SECRET}"'),
    "a list where an object belongs": put("registry.login", ["ci", SECRET]),
    "an object where a text belongs": put("registry.uiTitle", {"password": SECRET}),
    "a login in a mirror's URL": put("mirrors.kubernetes", f"https://ci:{SECRET}@mirror.corp:port"),
    "a login in Go's proxy": put("ci.goProxy", f"https://ci:{SECRET}@mirror.corp/go direct"),
    "a CI variable": put("projects", [{"group": "a", "name": "b", "pipeline": "auto", "variables": {"A B": SECRET}}]),
    "a value in a list": put("dns.forwarders", [SECRET]),
    "a machine that is a text": put("hosts.dns", SECRET),
    "a network": put("kubernetes.podCidr", {"password": SECRET}),
}


@pytest.mark.parametrize("kind", LEAKS)
def test_what_may_be_a_secret_is_never_shown(good: Config, kind: str) -> None:
    LEAKS[kind](good)
    text = report(problems(good, {"registry", "projects", "dns", "hosts"}), "dev")
    assert SECRET not in text


@pytest.mark.parametrize("path", ["registry.uiTitle", "hosts.dns.address", "domain", "kubernetes.podCidr", "dns.ttl"])
def test_no_value_of_a_section_with_a_secret_is_shown(good: Config, path: str) -> None:
    """Pulumi does not tell which value of it is the encrypted one."""
    put(path, SECRET * 5)(good)
    assert SECRET in report(problems(good), "dev")
    assert SECRET not in report(problems(good, {path.partition(".")[0]}), "dev")


class _Account(Section):
    name: str
    password: SecretStr | None = None


class _Accounts(Section):
    first_account: _Account
    by_name: dict[str, SecretStr]
    further: list[_Account]


def test_secrets_are_found_wherever_a_section_has_them() -> None:
    """What is not found may stand in the stack's file in plain text."""
    accounts = _Accounts.model_validate(
        {
            "firstAccount": {"name": "ci", "password": "long enough"},
            "byName": {"a": "long enough", "b": ""},
            "further": [{"name": "x"}, {"name": "y", "password": "long enough"}],
        }
    )
    assert list(accounts.secret_keys()) == ["firstAccount.password", "byName.a", "further[1].password"]


def test_keys_and_kinds_are_shown_instead(good: Config) -> None:
    put("registry.lgin", {"username": "ci", "tries": [3, True, None]})(good)
    assert problems(good)[0].found == ("an unknown key: {username: a text, tries: [a number, a truth value, nothing]}")


def test_bad_settings_end_before_any_resource(run_afresh: Run, good: Config) -> None:
    put("domain", "devops")(good)
    with pytest.raises(pulumi.RunError, match=r"(?s)1 setting of stack 'test' is wrong.*auto-devops:domain"):
        run_afresh(good)


def test_texts_as_pulumi_hands_them_over_are_read(good: Config) -> None:
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in good.items()}
    assert settings.parse(texts).registry.host == "registry"
