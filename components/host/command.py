"""A script's resource, and what of its output is the script's own."""

from __future__ import annotations

import pulumi
from pulumi_command import remote

# As run.sh prints them.
BEGIN = "----- output of auto-devops -----"
END = "----- end of output -----"


def printed(stdout: str) -> str:
    """What a script printed, of all that came by standard output.

    A login shell may print as well: bash reads ~/.bashrc, and zsh ~/.zshenv, for every command that comes by SSH, and a
    PAM module may when a session begins and ends. A state from before there were marks has what was printed alone.
    """
    _, begin, rest = stdout.partition(f"{BEGIN}\n")
    own, end, _ = rest.rpartition(END)
    return own.removesuffix("\n") if begin and end else stdout


class ScriptCommand(remote.Command):
    """A command of the plugin that runs a script by `run.sh`."""

    @property
    def stdout(self) -> pulumi.Output[str]:
        """What the script printed, without the last line break."""
        return super().stdout.apply(printed)
