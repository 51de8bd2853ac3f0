"""Waits until a service gives an answer, and prints when that was. Usage: served.py URL ANSWER SECONDS.

Runs on the lab's workstation, whose Python has no packages. One process for all questions: a command for each would
burden the machines that are measured.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from urllib.parse import urlsplit

PAUSE = 0.1


def ask(url: str) -> str:
    """The service's message, or whatever else comes instead."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=2)
    try:
        connection.request("GET", parts.path)
        body = connection.getresponse().read().decode(errors="replace")
        return str(json.loads(body)["message"])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        return f"nothing ({error!r})"
    finally:
        connection.close()


def main() -> int:
    """Wait; 1 if the answer has not come."""
    url, expected, seconds = sys.argv[1:]
    limit = time.monotonic() + float(seconds)
    while (said := ask(url)) != expected:
        if time.monotonic() > limit:
            print(f"{url} says {said} after {seconds} s, expected {expected}", file=sys.stderr)
            return 1
        time.sleep(PAUSE)
    print(f"{time.time():.6f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
