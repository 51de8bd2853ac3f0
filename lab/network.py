"""The lab's network: a bridge, a cable from it to each machine, and its way out.

Owns the bridge, the cables and the iptables rules (each carries the comment `auto-devops-lab`).

The engine has no part in it: on a network of the engine's, each machine would have its name server on 127.0.0.11, with
ports and firewall rules that no real machine has.
"""

from __future__ import annotations

import ipaddress
import json
import subprocess
from pathlib import Path

from lab import kernel, paths
from lab.inventory import BRIDGE, GATEWAY, LABEL, MACHINES, SPARES, SUBNET, Machine
from lab.steps import LabError, StepLog

_COMMENT = ["-m", "comment", "--comment", LABEL]
_RULES = (
    ("filter", "FORWARD", ["-i", BRIDGE, *_COMMENT, "-j", "ACCEPT"]),
    ("filter", "FORWARD", ["-o", BRIDGE, *_COMMENT, "-j", "ACCEPT"]),
    ("nat", "POSTROUTING", ["-s", SUBNET, "!", "-o", BRIDGE, *_COMMENT, "-j", "MASQUERADE"]),
)


def up(log: StepLog) -> str:
    """Make the bridge unless it is there, and mend what is missing around it."""
    note = "already there"
    if not bridge_exists():
        _check_free()
        log.run(["ip", "link", "add", BRIDGE, "address", _hardware_address(GATEWAY), "type", "bridge"])
        note = f"{SUBNET} on {BRIDGE}"
    prefix = ipaddress.ip_network(SUBNET).prefixlen
    log.run(["ip", "address", "replace", f"{GATEWAY}/{prefix}", "dev", BRIDGE])
    log.run(["ip", "link", "set", BRIDGE, "up"])
    paths.RUN.mkdir(mode=0o700, parents=True, exist_ok=True)
    kernel.adjust()
    for table, chain, rule in _RULES:
        if not _iptables(table, "-C", chain, rule):
            # First in the chain: a user's firewall or Docker may drop all forwarding further down.
            log.run(["iptables", "-w", "-t", table, "-I", chain, *rule])
    return note


def plug(log: StepLog, machine: Machine, process: int) -> None:
    """Connect a machine, known by its first process, to the bridge; its own end goes away with it."""
    inside = ["nsenter", "--net", "--target", str(process), "ip"]
    if subprocess.run([*inside, "route", "show", "default"], capture_output=True, check=False).stdout:
        return
    cable = _cable(machine)
    # Left where a machine was ended a moment ago, or a run between two of these commands.
    subprocess.run(["ip", "link", "delete", cable], capture_output=True, check=False)
    prefix = ipaddress.ip_network(SUBNET).prefixlen
    peer = ["peer", "name", "eth0", "address", _hardware_address(machine.address), "netns", str(process)]
    log.run(["ip", "link", "add", cable, "master", BRIDGE, "type", "veth", *peer])
    log.run(["ip", "link", "set", cable, "up"])
    log.run([*inside, "address", "add", f"{machine.address}/{prefix}", "dev", "eth0"])
    log.run([*inside, "link", "set", "eth0", "up"])
    # Last: the machine's first process waits for it.
    log.run([*inside, "route", "add", "default", "via", GATEWAY])


def down(log: StepLog) -> None:
    """Remove the rules, the cables and the bridge."""
    for table, chain, rule in _RULES:
        while _iptables(table, "-C", chain, rule):
            log.run(["iptables", "-w", "-t", table, "-D", chain, *rule])
    # Cables go with the machines' network namespaces, but those may go a minute later than the machines.
    for interface in interfaces():
        # Which may happen right now.
        subprocess.run(["ip", "link", "delete", interface], capture_output=True, check=False)


def interfaces() -> list[str]:
    """The lab's interfaces that are there: cables, and the bridge."""
    names = [*(_cable(machine) for machine in (*MACHINES, *SPARES)), BRIDGE]
    return [name for name in names if Path(f"/sys/class/net/{name}").exists()]


def bridge_exists() -> bool:
    """Whether the lab's bridge is there."""
    return BRIDGE in interfaces()


def rules_left() -> list[str]:
    """Rules of ours in the running tables."""
    saved = subprocess.run(["iptables-save"], capture_output=True, text=True, check=False).stdout
    return [line for line in saved.splitlines() if LABEL in line]


def _cable(machine: Machine) -> str:
    return f"ado-{machine.name}"


def _hardware_address(address: str) -> str:
    """The same after each restart: neighbours would go on sending to the old one for a while."""
    return "02:42:" + ":".join(f"{byte:02x}" for byte in ipaddress.ip_address(address).packed)


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
