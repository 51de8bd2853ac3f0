"""The SSH connection to one machine, as the command plugin wants it."""

from __future__ import annotations

from typing import Any

from pulumi_command import remote

from components.secrets import secret
from settings.machines import Jump, Machine

# The plugin dials once more than DIALS says, whatever went wrong: a refused connection, a dropped one, a refused key.
# Its pauses begin with 0.1 s and grow by half up to 5 s (pulumi/sdk, go/common/util/retry/until.go): fifteen are 36
# s. That is enough for an sshd that starts, for MaxStartups (a machine gets five connections at once at most), and
# for a limit that forgives. Where nothing answers at all, each dial takes SECONDS as well: a machine that boots has
# two minutes for it, and one that is gone is told after them. A wrong key is told after the 36 s, too: the plugin
# knows no difference.
DIALS = 15
SECONDS = 5


def connection(machine: Machine, port: int) -> remote.ConnectionArgs:
    """To a port of the machine's sshd, with its pinned host key, through its jump host if it has one.

    Without a private key the plugin asks the agent at SSH_AUTH_SOCK. Where that is changes from session to session, so
    it is not in the connection: it would be a change of every script in every run.
    """
    jump = machine.jump
    proxy = remote.ProxyConnectionArgs(port=jump.port, **_login(jump)) if jump else None
    return remote.ConnectionArgs(port=port, proxy=proxy, **_login(machine))


def _login(to: Machine | Jump) -> dict[str, Any]:
    """What a machine's connection and a jump host's are made of alike; a machine may have moved to another port."""
    return {
        "host": to.address,
        "user": to.user,
        "private_key": secret(to.private_key) if to.private_key else None,
        "private_key_password": secret(to.passphrase) if to.passphrase else None,
        "host_key": to.host_key,
        "dial_error_limit": DIALS,
        "per_dial_timeout": SECONDS,
    }
