"""One machine reached by SSH."""

from components.host.host import Host, HostArgs
from components.host.script_target import ScriptTarget
from components.host.shell import Script
from components.host.timer import Timer

__all__ = ["Host", "HostArgs", "Script", "ScriptTarget", "Timer"]
