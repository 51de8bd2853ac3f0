"""Name service for the platform's domain."""

from components.dns.dns import DNS, DnsArgs, check, resolver_check
from components.dns.from_settings import NameService, make_dns

__all__ = ["DNS", "DnsArgs", "NameService", "check", "make_dns", "resolver_check"]
