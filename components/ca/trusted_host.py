"""A machine that trusts the CA, as a type."""

from __future__ import annotations

import pulumi

from components.host import Host, ScriptTarget


class TrustedHost(ScriptTarget):
    """A `Host` whose scripts run only once the CA is in its trust store; on removal they go before the CA does.

    Only `CA.trust` makes one. A component that needs the trust asks for this type.
    """

    def __init__(self, host: Host, trust: pulumi.Resource) -> None:
        super().__init__(host.name, host.address, host.moved, host._shell, [*host._after, trust])
