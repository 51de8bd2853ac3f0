"""The SSH connection to one machine, as the command plugin wants it."""

from __future__ import annotations

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
    return remote.ConnectionArgs(
        host=machine.address,
        port=port,
        user=machine.user,
        private_key=secret(machine.private_key) if machine.private_key else None,
        private_key_password=secret(machine.passphrase) if machine.passphrase else None,
        host_key=machine.host_key,
        dial_error_limit=DIALS,
        per_dial_timeout=SECONDS,
        proxy=_proxy(machine.jump) if machine.jump else None,
    )


def _proxy(jump: Jump) -> remote.ProxyConnectionArgs:
    return remote.ProxyConnectionArgs(
        host=jump.address,
        port=jump.port,
        user=jump.user,
        private_key=secret(jump.private_key) if jump.private_key else None,
        private_key_password=secret(jump.passphrase) if jump.passphrase else None,
        host_key=jump.host_key,
        dial_error_limit=DIALS,
        per_dial_timeout=SECONDS,
    )
