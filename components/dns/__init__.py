"""Name service for the platform's domain."""

from components.dns.bind9 import Bind9, Bind9Args
from components.dns.resolver import use_resolver

__all__ = ["Bind9", "Bind9Args", "use_resolver"]
