"""What this computer itself has to reach: ports of the machines, and a chart repository."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import urllib.error
import urllib.request
from collections.abc import Collection

from components.host import Finding
from preflight import needs
from settings import Stack

HERE = "this computer"
PORT_SECONDS, CHARTS_SECONDS = 3.0, 8.0


async def look(stack: Stack, reached: Collection[str]) -> list[Finding]:
    """The ports of machines that were `reached`, and the charts."""
    wanted = [port for port in needs.ports(stack)[""] if port.target in reached]
    url = needs.charts(stack)
    charts = [asyncio.to_thread(_charts, url, stack.downloads.ca_certificate)] if url else []
    return list(await asyncio.gather(*(_port(each) for each in wanted), *charts))


async def _port(port: needs.Port) -> Finding:
    what = f"port {port.port} of {port.target}"
    try:
        connected = asyncio.open_connection(port.address, port.port)
        _, writer = await asyncio.wait_for(connected, PORT_SECONDS)
    except ConnectionRefusedError:
        # Nobody listens yet, and no firewall is silent: it is going to be heard.
        return Finding(HERE, "ok", what, "nobody listens there yet")
    except (TimeoutError, OSError) as error:
        said = f"no answer within {PORT_SECONDS:.0f} s" if isinstance(error, TimeoutError) else str(error.strerror)
        fix = f"open TCP {port.port} from here to {port.address}; a jump host for SSH does not carry it"
        return Finding(HERE, "warning", what, said, f"{port.service}, which pulumi asks", fix)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return Finding(HERE, "ok", what, "answers")


def _charts(url: str, ca_certificate: str | None) -> Finding:
    what = "charts"
    context = ssl.create_default_context()
    if ca_certificate:
        context.load_verify_locations(cadata=ca_certificate)
    request = urllib.request.Request(url, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=CHARTS_SECONDS, context=context):
            return Finding(HERE, "ok", what, url)
    except (OSError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", error)
        fix = f"curl -I {url}; or a mirror of it in mirrors.gitlabCharts"
        return Finding(HERE, "warning", what, f"{url}: {reason}", "GitLab's charts, which pulumi downloads here", fix)
