"""The web application as a process: sockets, certificates, privileges, and the clock that ends overdue jobs.

`python -m gitlab_standin.server SETTINGS.json` serves a configured installation.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import uvicorn

from gitlab_standin.app import Application, Internal, Redirect
from gitlab_standin.ci import pipelines, progress
from gitlab_standin.configure import drop_privileges
from gitlab_standin.settings import Settings
from gitlab_standin.site import Site

_CHECK_SECONDS = 30


def dump(settings: Settings) -> str:
    """Settings as JSON, for the process that serves."""
    return json.dumps(
        {name: str(value) if isinstance(value, Path) else value for name, value in vars(settings).items()}
    )


def load(text: str) -> Settings:
    values: dict[str, Any] = json.loads(text)
    for name, value in values.items():
        kind = Settings.__annotations__[name]
        if "Path" in kind and value is not None:
            values[name] = Path(value)
        elif kind.startswith("tuple"):
            values[name] = tuple(value)
    return Settings(**values)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM. Needs what `configure.reconfigure` makes."""
    # Keys and privileged ports first, as root; then become who serves.
    from gitlab_standin.vault import Vault

    vault = Vault(settings.secrets)
    public = _listen(settings.listen, settings.https_port)
    plain = _listen(settings.listen, settings.http_port) if settings.redirect_http and settings.http_port else None
    settings.socket.unlink(missing_ok=True)
    internal = socket.socket(socket.AF_UNIX)
    internal.bind(str(settings.socket))
    if settings.user is not None and os.getuid() == 0:
        import pwd

        account = pwd.getpwnam(settings.user)
        os.chown(settings.socket, account.pw_uid, account.pw_gid)
    settings.socket.chmod(0o600)
    certificates = {"ssl_certfile": str(settings.certificate), "ssl_keyfile": str(settings.certificate_key)}
    # The application can be made only as the one who owns the database.
    holder: dict[str, Any] = {}

    async def late(name: str, scope: Any, receive: Any, send: Any) -> None:
        await holder[name](scope, receive, send)

    configs = [(_config(lambda *a: late("public", *a), **certificates), public)]
    configs.append((_config(lambda *a: late("internal", *a)), internal))
    if plain is not None:
        configs.append((_config(lambda *a: late("plain", *a)), plain))
    for config, _ in configs:
        config.load()
    drop_privileges(settings)
    site = Site(settings, vault)
    pipelines.start_on_push(site)
    holder |= {"public": Application(site), "internal": Internal(site), "plain": Redirect(site)}
    threading.Thread(target=_watch, args=(site,), daemon=True).start()
    asyncio.run(_run(site, configs))


def _config(app: Any, **more: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app, interface="asgi3", lifespan="off", access_log=False, log_level="warning", timeout_keep_alive=75,
        timeout_graceful_shutdown=2, server_header=False, http="h11", ws="wsproto", loop="asyncio", **more,
    )  # fmt: skip


async def _run(site: Site, configs: list[tuple[uvicorn.Config, socket.socket]]) -> None:
    import anyio.to_thread

    # Every runner that waits for a job holds a thread.
    anyio.to_thread.current_default_thread_limiter().total_tokens = 200
    servers = [uvicorn.Server(config) for config, _ in configs]
    tasks = [
        asyncio.create_task(server.serve(sockets=[listening]))
        for server, (_, listening) in zip(servers, configs, strict=True)
    ]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for server in servers:
        server.should_exit = True
    # Runners that wait are answered, so that they don't hold up the end.
    site.queue_changed()
    await asyncio.gather(*tasks)


def _listen(address: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((address, port))
    return listening


def _watch(site: Site) -> None:
    """Go on with what a stop interrupted; end what takes too long, now and then."""
    pipelines.resume(site)
    waiting = threading.Event()
    while not waiting.wait(_CHECK_SECONDS):
        try:
            progress.fail_overdue_jobs(site)
        except Exception as error:
            print(f"checking for overdue jobs failed: {error}", flush=True)


if __name__ == "__main__":
    serve(load(Path(sys.argv[1]).read_text()))
