"""Name service for the platform's domain."""

from components.dns.dns import DNS, DnsArgs

__all__ = ["DNS", "DnsArgs"]
