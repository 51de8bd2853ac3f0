"""Name service for the platform's domain."""

from components.dns.dns import DNS, DnsArgs
from components.dns.from_settings import NameService, make_dns

__all__ = ["DNS", "DnsArgs", "NameService", "make_dns"]
