"""A firewall of nftables' that somebody has: what of it keeps containers or pods from their way is told before."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scripts.engine import Engine
from tests.scripts.kubernetes.test_check import Candidate
from tests.scripts.rooted import refused, warned

# As nft 1.1.3 lists it. The example of /etc/nftables.conf that Debian 13 ships has three chains that accept.
OPEN = """table inet filter {
	chain input {
		type filter hook input priority filter; policy accept;
		tcp dport 9100 drop
	}

	chain forward {
		type filter hook forward priority filter; policy accept;
	}

	chain output {
		type filter hook output priority filter; policy accept;
	}
}
"""
# Docker's and iptables' own, which have a policy of DROP as well.
IPTABLES = """table ip filter {
	chain DOCKER {
	}

	chain FORWARD {
		type filter hook forward priority filter; policy drop;
		counter packets 0 bytes 0 jump DOCKER-USER
	}
}
"""


def forward(*rules: str, policy: str = "drop") -> str:
    """A table with a chain that forwarded packets pass."""
    lines = "".join(f"\t\t{rule}\n" for rule in rules)
    return (
        "table inet firewall {\n\tset lan {\n\t\ttype ipv4_addr\n"
        "\t\telements = { 10.0.0.1,\n\t\t\t     10.0.0.2 }\n\t}\n\n"
        f"\tchain pass {{\n\t\ttype filter hook forward priority filter + 10; policy {policy};\n{lines}\t}}\n}}\n"
    )


STATE = "ct state established,related accept"
FORWARDS = {
    "accepts": (OPEN, None),
    "iptables": (OPEN + IPTABLES, None),
    "drops": (forward(), "refused"),
    "drops but answers": (forward(STATE, "icmp type echo-request accept", "tcp dport { 22, 80 } accept"), "refused"),
    "drops at the end": (
        forward(STATE, 'log prefix "no: " counter packets 0 bytes 0 drop', policy="accept"),
        "refused",
    ),
    "rejects at the end": (forward(STATE, "counter packets 3 bytes 9 reject", policy="accept"), "refused"),
    "drops one address": (forward("ip saddr 192.0.2.1 drop", policy="accept"), None),
    "may accept": (forward(STATE, "ip saddr @lan accept"), "warning"),
    "asks another chain": (forward(STATE, "jump lan"), "warning"),
}


def of_firewall(found: list[str]) -> list[str]:
    return [text for text in found if text.startswith("firewall (nftables): ")]


@pytest.mark.parametrize("case", FORWARDS)
@pytest.mark.parametrize("begun", ["no", "yes"])
def test_pods_have_a_way(tmp_path: Path, case: str, begun: str) -> None:
    rules, level = FORWARDS[case]
    machine = Candidate(tmp_path / "machine")
    machine.fake("nft", f"cat <<'.'\n{rules}.")
    found = machine.look(BEGUN=begun)
    told = ["firewall (nftables): the chain inet firewall pass drops what it does not accept (hook forward)"]
    assert of_firewall(refused(found)) == (told if level == "refused" and begun == "no" else [])
    assert of_firewall(warned(found)) == (told if level == "warning" or (level and begun == "yes") else [])


def test_pods_that_are_let_pass_are_no_matter(tmp_path: Path) -> None:
    machine = Candidate(tmp_path / "machine")
    machine.fake("nft", f"""cat <<'.'\n{forward(STATE, 'iifname "cni0" accept', 'oifname "cni0" accept')}.""")
    assert machine.look() == []


@pytest.mark.parametrize(
    ("rules", "level"),
    [
        ('iif "lo" accept;tcp dport { 22, 80, 443 } accept', "refused"),
        ("tcp dport { 22, 6443, 10250 } accept", None),
        ('iifname "cni0" accept', None),
        ("ip saddr 10.0.0.0/8 accept", "warning"),
    ],
)
def test_pods_reach_the_api_on_their_own_machine(tmp_path: Path, rules: str, level: str | None) -> None:
    machine = Candidate(tmp_path / "machine")
    lines = "\n".join(f"\t\t{rule}" for rule in (STATE, *rules.split(";")))
    head = "table inet filter {\n\tchain input {\n\t\ttype filter hook input priority 0; policy drop;\n"
    text = f"{head}{lines}\n\t}}\n}}\n"
    machine.fake("nft", f"cat <<'.'\n{text}.")
    found = [each for each in machine.look() if each.what == "firewall (nftables)"]
    assert [each.level for each in found] == ([level] if level else [])
    assert not [each for each in machine.look(PORTS="10250") if each.what == "firewall (nftables)"], "not of a worker"


def test_containers_have_a_way(tmp_path: Path) -> None:
    machine = Engine(tmp_path / "machine")
    (machine.root / "bin/dockerd").unlink()
    machine.variables["PATH"] = f"{machine.root}/bin:/usr/bin:/bin"
    machine.fake("nft", f"cat <<'.'\n{forward(STATE)}.")
    found = machine.check()["firewall (nftables)"]
    assert found.level == "refused" and '"br-*"' in found.wanted
    machine.fake("nft", f"""cat <<'.'\n{forward(STATE, 'iifname "docker0" accept', 'iifname "br-*" accept')}.""")
    assert "firewall (nftables)" not in machine.check()
