"""One machine reached by SSH."""

from components.host.checks import Check, Finding, findings
from components.host.host import Host, HostArgs, check
from components.host.script_target import ScriptTarget
from components.host.shell import Script
from components.host.timer import Timer

__all__ = [
    "Check",
    "Finding",
    "Host",
    "HostArgs",
    "Script",
    "ScriptTarget",
    "Timer",
    "check",
    "findings",
]
