"""`python -m standins.alidns`: the API, the administrative interface and the name server in one process."""

from __future__ import annotations

import argparse
import json
import signal
import socketserver
import threading
from pathlib import Path

from standins.alidns.administration import Administration, AdministrationServer
from standins.alidns.api import Api
from standins.alidns.authority import Authority, servers
from standins.alidns.store import Store
from standins.alidns.web import ApiServer


def main() -> None:
    options = _options()
    names = dict(options.name_server)
    store = Store(options.data)
    authority = Authority(names)
    store.changed = authority.changed
    authority.changed(store.data)
    api = Api(store, list(names))
    listeners: list[socketserver.TCPServer] = [
        ApiServer(options.api, api, options.certificate, options.key),
        AdministrationServer(options.administration, Administration(api, authority)),
        *servers(options.dns, authority),
    ]
    for listener in listeners:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
    ports = [int(listener.server_address[1]) for listener in listeners]
    # One line for whoever started it: the ports, where 0 left them to the system.
    print(json.dumps(dict(zip(("api", "administration", "dns"), ports, strict=False))), flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m standins.alidns", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the JSON file; made with the first change")
    parser.add_argument("--api", type=_address, default="127.0.0.1:8053", help="HOST:PORT of the API")
    parser.add_argument("--administration", type=_address, default="127.0.0.1:8054", help="HOST:PORT; without a key")
    parser.add_argument("--dns", type=_address, default="127.0.0.1:5353", help="HOST:PORT of the name server")
    parser.add_argument("--certificate", type=Path, help="PEM; with it the API speaks HTTPS")
    parser.add_argument("--key", type=Path, help="PEM, if it is not in the certificate's file")
    parser.add_argument(
        "--name-server", type=_server, action="append", required=True, help="NAME[=ADDRESS] of a zone's name server"
    )
    return parser.parse_args()


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def _server(text: str) -> tuple[str, str]:
    name, _, address = text.partition("=")
    return name, address


if __name__ == "__main__":
    # Before any thread is there, which would take them otherwise.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main()
