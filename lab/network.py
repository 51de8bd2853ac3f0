"""The lab's network: a bridge with fixed addresses, and its way out.

Owns the bridge network, its iptables rules (each carries the comment `auto-devops-lab`) and, while the lab is up,
the kernel's IPv4 forwarding, which goes back to what it was.
"""

from __future__ import annotations

import ipaddress
import json
import subprocess
from pathlib import Path

from docker.errors import NotFound
from docker.types import IPAMConfig, IPAMPool

from lab import engine, paths
from lab.inventory import BRIDGE, GATEWAY, LABEL, NETWORK, SUBNET
from lab.steps import LabError, StepLog

_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
_FORWARD_BEFORE = paths.RUN / "ip_forward"
_COMMENT = ["-m", "comment", "--comment", LABEL]
_RULES = (
    ("filter", "FORWARD", ["-i", BRIDGE, *_COMMENT, "-j", "ACCEPT"]),
    ("filter", "FORWARD", ["-o", BRIDGE, *_COMMENT, "-j", "ACCEPT"]),
    ("nat", "POSTROUTING", ["-s", SUBNET, "!", "-o", BRIDGE, *_COMMENT, "-j", "MASQUERADE"]),
)


def up(log: StepLog) -> str:
    """Make the network unless it is there."""
    docker = engine.client()
    try:
        docker.networks.get(NETWORK)
        note = "already there"
    except NotFound:
        _check_free()
        docker.networks.create(
            NETWORK,
            driver="bridge",
            ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=SUBNET, gateway=GATEWAY)]),
            options={"com.docker.network.bridge.name": BRIDGE},
            labels={LABEL: "network"},
        )
        note = f"{SUBNET} on {BRIDGE}"
    if not _FORWARD_BEFORE.exists():
        _FORWARD_BEFORE.write_text(_FORWARD.read_text())
    _FORWARD.write_text("1\n")
    for table, chain, rule in _RULES:
        if not _iptables(table, "-C", chain, rule):
            # First in the chain: a user's firewall or Docker may drop all forwarding further down.
            log.run(["iptables", "-w", "-t", table, "-I", chain, *rule])
    return note


def down(log: StepLog) -> None:
    """Remove the rules and the bridge."""
    for table, chain, rule in _RULES:
        while _iptables(table, "-C", chain, rule):
            log.run(["iptables", "-w", "-t", table, "-D", chain, *rule])
    if bridge_exists():
        log.run(["ip", "link", "delete", BRIDGE])


def restore_forwarding() -> None:
    """Give the kernel back the setting it had before `up`."""
    if _FORWARD_BEFORE.exists():
        _FORWARD.write_text(_FORWARD_BEFORE.read_text())
        _FORWARD_BEFORE.unlink()


def bridge_exists() -> bool:
    """Whether the lab's bridge is there."""
    return Path(f"/sys/class/net/{BRIDGE}").exists()


def rules_left() -> list[str]:
    """Rules of ours in the running tables."""
    saved = subprocess.run(["iptables-save"], capture_output=True, text=True, check=False).stdout
    return [line for line in saved.splitlines() if LABEL in line]


def _check_free() -> None:
    wanted = ipaddress.ip_network(SUBNET)
    routes = json.loads(subprocess.run(["ip", "-json", "-4", "route"], capture_output=True, check=True).stdout)
    for route in routes:
        if route["dst"] == "default" or route.get("dev") == BRIDGE:
            continue
        if ipaddress.ip_network(route["dst"], strict=False).overlaps(wanted):
            raise LabError(
                f"the lab's network {SUBNET} is taken: this computer routes {route['dst']} to {route.get('dev')}",
                "free that range (`ip route` shows who has it: a VPN or another bridge?)",
            )


def _iptables(table: str, action: str, chain: str, rule: list[str]) -> bool:
    command = ["iptables", "-w", "-t", table, action, chain, *rule]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
