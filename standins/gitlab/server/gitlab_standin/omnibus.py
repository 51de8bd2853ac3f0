"""GITLAB_OMNIBUS_CONFIG and gitlab.rb: `key['x']['y'] = value` lines, read into Settings.

A key that the stand-in does not know ends the start by its name: it would have no effect here, and an effect there.
"""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gitlab_standin.ruby import Reader, RubyError
from gitlab_standin.settings import Settings

_TEXT, _INTEGER, _BOOLEAN, _LIST = str, int, bool, list

KNOWN: dict[str, type] = {
    "external_url": _TEXT,
    "registry_external_url": _TEXT,
    "letsencrypt['enable']": _BOOLEAN,
    "gitlab_rails['gitlab_shell_ssh_port']": _INTEGER,
    "gitlab_rails['lfs_enabled']": _BOOLEAN,
    "gitlab_rails['monitoring_whitelist']": _LIST,
    "gitlab_rails['time_zone']": _TEXT,
    "gitlab_rails['backup_keep_time']": _INTEGER,
    "gitlab_rails['usage_ping_enabled']": _BOOLEAN,
    "gitlab_rails['gitlab_default_theme']": _INTEGER,
    "gitlab_rails['nginx']['redirect_http_to_https']": _BOOLEAN,
    "gitlab_rails['nginx']['ssl_certificate']": _TEXT,
    "gitlab_rails['nginx']['ssl_certificate_key']": _TEXT,
    "nginx['redirect_http_to_https']": _BOOLEAN,
    "nginx['ssl_certificate']": _TEXT,
    "nginx['ssl_certificate_key']": _TEXT,
    "nginx['listen_https']": _BOOLEAN,
    "registry['enable']": _BOOLEAN,
    "registry_nginx['redirect_http_to_https']": _BOOLEAN,
    "registry_nginx['ssl_certificate']": _TEXT,
    "registry_nginx['ssl_certificate_key']": _TEXT,
    "puma['worker_processes']": _INTEGER,
    "puma['per_worker_max_memory_mb']": _INTEGER,
    "sidekiq['concurrency']": _INTEGER,
    "sidekiq['max_concurrency']": _INTEGER,
    "sidekiq['min_concurrency']": _INTEGER,
    "gitlab_workhorse['api_ci_long_polling_duration']": _TEXT,
    "postgresql['shared_buffers']": _TEXT,
    "prometheus_monitoring['enable']": _BOOLEAN,
    "gitlab_kas['enable']": _BOOLEAN,
    "gitlab_pages['enable']": _BOOLEAN,
}
"""Every key that may be set. Those that only change how much memory the real GitLab needs have no effect here."""


class ConfigurationError(ValueError):
    """The configuration can't be used; the message says every reason."""


def parse(source: str, what: str = "GITLAB_OMNIBUS_CONFIG") -> dict[str, Any]:
    """Read assignments; the result has a key as it is written, as "puma['worker_processes']".

    Raises ConfigurationError with all unknown keys at once, and RubyError for what is no assignment of a literal.
    """
    reader = Reader(source, what)
    found: dict[str, Any] = {}
    problems: list[str] = []
    reader.skip_newlines()
    while reader.token.kind != "end":
        key, value, line = _assignment(reader)
        if key not in KNOWN:
            problems.append(f"{what}, line {line}: {key} is not supported by the lab's GitLab")
        elif value is not None and type(value) is not KNOWN[key]:
            expected = KNOWN[key].__name__
            problems.append(f"{what}, line {line}: {key} must be {expected}, found {value!r}")
        else:
            found[key] = value
    if problems:
        raise ConfigurationError("\n".join(problems))
    return found


def _assignment(reader: Reader) -> tuple[str, Any, int]:
    line = reader.token.line
    if reader.token.kind != "name":
        reader.fail("expected a setting's name")
    name = reader.take().text
    subscripts: list[str] = []
    while reader.accept("["):
        index = reader.literal()
        if not isinstance(index, str):
            reader.fail("expected a string between the brackets")
        subscripts.append(str(index))
        reader.expect("]")
    # `external_url 'https://…'` is a call; `external_url = '…'` would be a local variable without effect.
    called = not subscripts and name in {"external_url", "registry_external_url"}
    if reader.at("="):
        if called:
            reader.fail(f"{name} takes its value without '='")
        reader.take()
    elif not called:
        reader.fail("expected '='")
    value = reader.literal()
    reader.end_of_statement()
    return name + "".join(f"['{part}']" for part in subscripts), value, line


def settings_from(values: dict[str, Any], base: Settings) -> Settings:
    """The settings that the configuration asks for. Raises ConfigurationError with every reason."""
    problems: list[str] = []
    external = values.get("external_url")
    if not external or urlsplit(external).scheme != "https":
        problems.append(f"external_url must be an https URL, found {external!r}")
    if values.get("letsencrypt['enable']"):
        problems.append("letsencrypt['enable'] must be false: the lab reaches no certificate authority")
    if values.get("gitlab_pages['enable']"):
        problems.append("gitlab_pages['enable'] = true is not supported by the lab's GitLab")
    if "letsencrypt['enable']" not in values:
        problems.append("letsencrypt['enable'] = false is needed: GitLab would ask for a public certificate")
    for text in values.get("gitlab_rails['monitoring_whitelist']") or []:
        try:
            ip_network(text)
        except ValueError:
            problems.append(f"gitlab_rails['monitoring_whitelist']: {text!r} is no network")
    polling = values.get("gitlab_workhorse['api_ci_long_polling_duration']", f"{base.polling_seconds}s")
    if not re.fullmatch(r"\d+s", str(polling)):
        problems.append(
            f"gitlab_workhorse['api_ci_long_polling_duration'] must be seconds, as '50s', found {polling!r}"
        )
    if problems:
        raise ConfigurationError("\n".join(problems))

    def either(key: str, default: Any = None) -> Any:
        return values.get(f"gitlab_rails['nginx']['{key}']", values.get(f"nginx['{key}']", default))

    def path(text: str | None) -> Path | None:
        return Path(text) if text else None

    whitelist = values.get("gitlab_rails['monitoring_whitelist']")
    registry_url = values.get("registry_external_url") if values.get("registry['enable']", True) else None
    return replace(
        base,
        external_url=str(external),
        registry_url=registry_url,
        https_port=urlsplit(str(external)).port or base.https_port,
        registry_port=(urlsplit(registry_url).port or base.registry_port) if registry_url else base.registry_port,
        public_ssh_port=values.get("gitlab_rails['gitlab_shell_ssh_port']") or 22,
        ssl_certificate=path(either("ssl_certificate")),
        ssl_certificate_key=path(either("ssl_certificate_key")),
        registry_certificate=path(values.get("registry_nginx['ssl_certificate']")),
        registry_certificate_key=path(values.get("registry_nginx['ssl_certificate_key']")),
        redirect_http=bool(either("redirect_http_to_https", False)),
        lfs_enabled=values.get("gitlab_rails['lfs_enabled']", True) is not False,
        kas=values.get("gitlab_kas['enable']", True) is not False,
        monitoring_whitelist=tuple(whitelist) if whitelist is not None else base.monitoring_whitelist,
        polling_seconds=int(polling[:-1]),
        concurrency=max(1, min(values.get("sidekiq['concurrency']") or 2, 4)),
    )


def missing_files(settings: Settings) -> list[str]:
    """Certificates that must be there before the first start, and are not."""
    wanted = [settings.certificate, settings.certificate_key]
    if settings.registry_url:
        wanted += [settings.registry_cert, settings.registry_key]
    return [str(file) for file in wanted if not file.is_file()]


__all__ = ["KNOWN", "ConfigurationError", "RubyError", "missing_files", "parse", "settings_from"]
