"""The zones' authoritative name servers: answers DNS from what was published, by UDP and TCP.

Enabled records of the line `default`; the other lines depend on where a resolver is, which nothing in the lab has. A
name server's own name is answered too, so that the lab needs nobody else to find it. Recursion, zone transfers and
DNSSEC are not there.
"""

from __future__ import annotations

import socketserver
import struct
import threading
from collections import defaultdict
from dataclasses import dataclass, field

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from standins.alidns.store import Data, Record

Name = dns.name.Name
_TTL = 600
_NAMES = {"CNAME", "NS", "SRV"}


@dataclass
class Zone:
    origin: Name
    sets: dict[Name, dict[dns.rdatatype.RdataType, dns.rrset.RRset]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, name: Name, ttl: int, kind: str, text: str) -> None:
        rdtype = dns.rdatatype.from_text(kind)
        rdata = dns.rdata.from_text(dns.rdataclass.IN, rdtype, text)
        found = self.sets[name].setdefault(rdtype, dns.rrset.RRset(name, dns.rdataclass.IN, rdtype))
        found.add(rdata, ttl)

    def exists(self, name: Name) -> bool:
        """It, or something below it: a name without records of its own is there too, and keeps a wildcard out."""
        return any(one.is_subdomain(name) for one in self.sets)

    def find(self, name: Name) -> dict[dns.rdatatype.RdataType, dns.rrset.RRset] | None:
        if self.exists(name):
            return self.sets.get(name, {})
        above = name.parent()
        while not self.exists(above):
            above = above.parent()
        return self.sets.get(dns.name.from_text("*", above))

    def text(self) -> str:
        """A zone file of BIND's."""
        lines = [f"$ORIGIN {self.origin}"]
        for name in sorted(self.sets):
            lines += [found.to_text() for found in self.sets[name].values()]
        return "\n".join(lines) + "\n"


class Authority:
    """`servers`: the name servers' names, each with the address that it is answered with, if there is one."""

    def __init__(self, servers: dict[str, str]) -> None:
        self._servers = servers
        self._zones: dict[Name, Zone] = {}
        self._published = 0
        self._lock = threading.Lock()
        self.delay: float | None = 0
        """How many seconds a change takes to be answered; None: it waits until this is a number again."""

    def changed(self, data: Data) -> None:
        zones = {dns.name.from_text(name): self._zone(name, data) for name in data.domains}
        if self.delay is None:
            return
        if not self.delay:
            self._publish(zones, data.revision)
            return
        timer = threading.Timer(self.delay, self._publish, [zones, data.revision])
        timer.daemon = True
        timer.start()

    def _publish(self, zones: dict[Name, Zone], revision: int) -> None:
        with self._lock:
            # A delay that was shortened since: what is newer is out already.
            if revision >= self._published:
                self._zones, self._published = zones, revision

    def zone(self, name: str) -> Zone | None:
        with self._lock:
            return self._zones.get(dns.name.from_text(name))

    def _zone(self, name: str, data: Data) -> Zone:
        origin = dns.name.from_text(name)
        zone = Zone(origin)
        servers = list(self._servers)
        zone.add(origin, _TTL, "SOA", f"{servers[0]}. hostmaster.{servers[0]}. {data.revision} 3600 1200 86400 600")
        for server in servers:
            zone.add(origin, _TTL, "NS", f"{server}.")
        for record in data.of(name):
            if record.enabled and record.line == "default":
                owner = origin if record.rr == "@" else dns.name.from_text(record.rr, origin)
                zone.add(owner, record.ttl, record.type, _rdata(record))
        return zone

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        response = dns.message.make_response(query)
        if query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
            response.set_rcode(dns.rcode.NOTIMP)
            return response
        name, rdtype = query.question[0].name, query.question[0].rdtype
        with self._lock:
            zones = [zone for origin, zone in self._zones.items() if name.is_subdomain(origin)]
        zone = max(zones, key=lambda one: len(one.origin)) if zones else self._own(name)
        if zone is None or rdtype in {dns.rdatatype.AXFR, dns.rdatatype.IXFR}:
            response.set_rcode(dns.rcode.REFUSED)
            return response
        response.flags |= dns.flags.AA
        _fill(response, zone, name, rdtype)
        return response

    def _own(self, name: Name) -> Zone | None:
        for server, address in self._servers.items():
            if name == dns.name.from_text(server) and address:
                zone = Zone(name)
                zone.add(name, _TTL, "A", address)
                zone.add(name, _TTL, "SOA", f"{server}. hostmaster.{server}. 1 3600 1200 86400 600")
                return zone
        return None


def _fill(response: dns.message.Message, zone: Zone, name: Name, rdtype: dns.rdatatype.RdataType) -> None:
    """The answer's records, following CNAMEs as far as they stay in the zone."""
    seen = set()
    while name not in seen:
        seen.add(name)
        found = zone.find(name)
        if found is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
            break
        alias = found.get(dns.rdatatype.CNAME)
        wanted = list(found.values()) if rdtype == dns.rdatatype.ANY else [found[rdtype]] if rdtype in found else []
        if wanted or alias is None:
            response.answer += [_named(one, name) for one in wanted]
            if wanted:
                return
            break
        response.answer.append(_named(alias, name))
        name = alias[0].target
        if not name.is_subdomain(zone.origin):
            return
    soa = zone.sets[zone.origin].get(dns.rdatatype.SOA)
    if soa is not None:
        response.authority.append(soa)


def _named(found: dns.rrset.RRset, name: Name) -> dns.rrset.RRset:
    """A wildcard's records have the name that was asked for."""
    copy = dns.rrset.RRset(name, found.rdclass, found.rdtype)
    for rdata in found:
        copy.add(rdata, found.ttl)
    return copy


def _rdata(record: Record) -> str:
    if record.type in _NAMES:
        return f"{record.value}."
    if record.type == "MX":
        return f"{record.priority} {record.value}."
    if record.type == "TXT":
        pieces = [record.value[start : start + 255] for start in range(0, len(record.value), 255)]
        return " ".join('"' + piece.replace("\\", "\\\\").replace('"', '\\"') + '"' for piece in pieces)
    return record.value


class _Datagrams(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        wire, listener = self.request
        found = _respond(self.server, wire)
        if found is not None:
            query, response = found
            limit = max(query.payload, 512) if query.edns >= 0 else 512
            try:
                listener.sendto(response.to_wire(max_size=limit), self.client_address)
            except dns.exception.TooBig:
                short = dns.message.make_response(query)
                short.flags |= dns.flags.AA | dns.flags.TC
                listener.sendto(short.to_wire(), self.client_address)


class _Stream(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.settimeout(10)
        with self.request.makefile("rb") as stream:
            while len(size := stream.read(2)) == 2:
                found = _respond(self.server, stream.read(struct.unpack("!H", size)[0]))
                if found is None:
                    return
                wire = found[1].to_wire()
                self.request.sendall(struct.pack("!H", len(wire)) + wire)


def _respond(server: object, wire: bytes) -> tuple[dns.message.Message, dns.message.Message] | None:
    assert isinstance(server, (UdpServer, TcpServer))
    try:
        query = dns.message.from_wire(wire)
    except dns.exception.DNSException:
        return None
    return query, server.authority.answer(query)


class UdpServer(socketserver.ThreadingUDPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], authority: Authority) -> None:
        self.authority = authority
        super().__init__(address, _Datagrams)


class TcpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], authority: Authority) -> None:
        self.authority = authority
        super().__init__(address, _Stream)


def servers(address: tuple[str, int], authority: Authority) -> tuple[UdpServer, TcpServer]:
    """Both on one port, which 0 leaves to the system: another program may have its other half."""
    host, port = address
    for _ in range(20):
        tcp = TcpServer((host, port), authority)
        try:
            return UdpServer((host, int(tcp.server_address[1])), authority), tcp
        except OSError:
            tcp.server_close()
            if port:
                raise
    raise OSError(f"no port is free for both UDP and TCP on {host}")
