"""Which name server a host asks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pulumi

from components.host import Host, Script

SCRIPTS = Path(__file__).parent / "scripts"


def use_resolver(
    name: str,
    host: Host,
    server: pulumi.Input[str],
    domain: str,
    *,
    parent: pulumi.Resource,
    depends_on: Sequence[pulumi.Resource] = (),
) -> pulumi.Resource:
    """Makes `host` ask `server` for names, across reboots, the way its system keeps that: systemd-resolved,
    NetworkManager, resolvconf, dhclient or a plain /etc/resolv.conf. `domain` must resolve afterwards."""
    return host.run(
        name,
        Script(SCRIPTS / "resolver.sh", SCRIPTS / "unresolver.sh"),
        parent=parent,
        variables={"SERVER": server, "DOMAIN": domain},
        depends_on=depends_on,
    )
