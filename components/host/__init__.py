"""One machine reached by SSH."""

from components.host.host import Host, HostArgs, Script

__all__ = ["Host", "HostArgs", "Script"]
