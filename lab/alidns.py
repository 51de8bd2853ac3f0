"""Alibaba Cloud's DNS, as far as the lab has it: a machine with the stand-in of standins/alidns, made on demand.

Owns what runs on that machine, and what the mirror's name server is told: where the interface is, and who answers for
the zones there. Does not own the plugin that talks to it (tools.py), nor what accounts and zones there are: whoever
needs some makes them, by the administrative interface on the machine's loopback.
"""

from __future__ import annotations

from lab import certificates, machines, paths
from lab.inventory import ALIDNS, MIRROR
from lab.steps import StepLog, wait_until

ENDPOINT = "alidns.lab.internal"
"""In the place of alidns.aliyuncs.com, so that no request of a test's can leave the lab."""
NAME_SERVERS = ("ns1.alidns.lab.internal", "ns2.alidns.lab.internal")
TOP = "cloud.test"
"""Whom the lab's computers ask for this name and all below it."""
ADMINISTRATION = "http://127.0.0.1:8054"
NAMES = "/etc/dnsmasq.d/alidns.conf"
"""On the mirror."""
_PLACE = "/usr/local/lib/alidns"


def provide(log: StepLog) -> str:
    """Start the stand-in of these sources on its machine, and make its names known."""
    machine = machines.container(ALIDNS)
    sources = paths.STANDINS / "alidns"
    files = {f"standins/{path.relative_to(paths.STANDINS)}": path for path in sources.glob("*.py")}
    files["standins/__init__.py"] = paths.STANDINS / "__init__.py"
    certificate, key = certificates.issue(log, ENDPOINT, ALIDNS.address)
    files |= {"server.crt": certificate, "server.key": key}
    contents = {
        f"{_PLACE}/{name}": (path.read_bytes(), 0o600 if path == key else 0o644) for name, path in files.items()
    }
    names = " ".join(f"--name-server {name}={ALIDNS.address}" for name in NAME_SERVERS)
    contents[f"{_PLACE}/environment"] = (f"NAME_SERVERS={names}\n".encode(), 0o644)
    machines.put_files(machine, contents)
    log.run(machines.shell_command(ALIDNS, "systemctl enable -q alidns && systemctl restart alidns"))
    known = [f"host-record={name},{ALIDNS.address}" for name in (ENDPOINT, *NAME_SERVERS)]
    # What it has heard it forgets at once: tests change records, and do not wait out their ten minutes.
    text = "\n".join(["# Made by the lab.", *known, f"server=/{TOP}/{ALIDNS.address}", "cache-size=0"]) + "\n"
    machines.put_files(machines.container(MIRROR), {NAMES: (text.encode(), 0o644)})
    log.run(machines.shell_command(MIRROR, "systemctl restart dnsmasq"))

    def answers() -> bool:
        return machines.container(ALIDNS).exec_run(["curl", "-fsS", f"{ADMINISTRATION}/calls"]).exit_code == 0

    wait_until(log, "the stand-in", answers, 30)
    return f"{ENDPOINT}, for {TOP} and all below it"
