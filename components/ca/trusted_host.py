"""A machine that trusts the CA, as a type."""

from __future__ import annotations

import pulumi

from components.host import Host, ScriptTarget


class TrustedHost(ScriptTarget):
    """A `Host` whose scripts all run after the CA is in its trust store, and is taken out of there after their removal.

    Made by `CA.trust` alone: whoever is given one need not ask whether the machine trusts what it is to talk to.
    """

    def __init__(self, host: Host, trust: pulumi.Resource) -> None:
        super().__init__(host.name, host.address, host.moved, host._shell, [*host._after, trust])
