"""What `gitlab-ctl reconfigure` does: folders, secrets, database, root's account, configuration files."""

from __future__ import annotations

import os
import pwd
import secrets
import subprocess
from collections.abc import Callable
from pathlib import Path

from gitlab_standin import VERSION, accounts, registry_auth, vault, versions
from gitlab_standin.omnibus import ConfigurationError, missing_files
from gitlab_standin.settings import Settings
from gitlab_standin.site import Site

_INITIAL_PASSWORD = """# WARNING: This value is valid only in the following conditions
#          1. If provided manually (via `GITLAB_ROOT_PASSWORD` environment variable).
#          2. Password hasn't been changed manually, either via UI or via command line.

Password: {password}

# NOTE: This file will be automatically deleted in the first reconfigure run after 24 hours.
"""


def reconfigure(settings: Settings, progress: Callable[[str], None]) -> Site:
    """Bring the installation to what the settings ask for; again, it changes nothing.

    Raises ConfigurationError or UpgradeError before anything is changed.
    """
    missing = missing_files(settings)
    if missing:
        raise ConfigurationError(
            "certificates are missing: " + ", ".join(missing) + "; put them there, then start the container again"
        )
    if settings.data_version.exists():
        versions.check(settings.data_version.read_text().strip(), VERSION)
    progress("directory[/var/opt/gitlab] action create")
    for folder in (
        settings.database.parent,
        settings.repositories,
        settings.artifacts,
        settings.lfs_objects,
        settings.traces,
        settings.backups,
        settings.shell_secret.parent,
        settings.data_version.parent,
        settings.log,
        settings.run,
    ):
        folder.mkdir(parents=True, exist_ok=True)
    progress("file[/etc/gitlab/gitlab-secrets.json] action create")
    site = Site(settings)
    progress("file[/var/opt/gitlab/gitlab-shell/.gitlab_shell_secret] action create")
    settings.shell_secret.touch(mode=0o600)
    settings.shell_secret.write_text(site.vault.shell_secret)
    site.repositories.write_hooks()
    progress("rails_migration[gitlab-rails] action run")
    _seed(site)
    if settings.registry_url:
        progress("registry configuration[/var/opt/gitlab/registry/config.yml] action create")
        registry_auth.write_configuration(site)
    if settings.user is not None:
        progress("ssh host keys[/etc/gitlab] action create")
        _host_keys(settings)
    settings.data_version.write_text(VERSION + "\n")
    give_away(settings)
    return site


def _seed(site: Site) -> None:
    """Make root's account at the first start."""
    if site.db.row("select 1 from users where username = 'root'"):
        return
    password = os.environ.get("GITLAB_ROOT_PASSWORD") or secrets.token_urlsafe(32)
    accounts.make_user(
        site,
        "root",
        "Administrator",
        f"admin@{site.settings.host}",
        password=vault.hash_password(password),
        admin=1,
    )
    if not os.environ.get("GITLAB_ROOT_PASSWORD"):
        file = site.settings.etc / "initial_root_password"
        file.touch(mode=0o600)
        file.write_text(_INITIAL_PASSWORD.format(password=password))


def _host_keys(settings: Settings) -> None:
    """Keys that git by SSH is known by; kept with the configuration, so that a new container has the same."""
    for kind in ("ed25519", "ecdsa", "rsa"):
        file = settings.etc / f"ssh_host_{kind}_key"
        if not file.exists():
            command = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", settings.host, "-f", str(file)]
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def give_away(settings: Settings) -> None:
    """Let the account that serves own what it writes; volumes may have been made by root, or restored."""
    if settings.user is None:
        return
    account = pwd.getpwnam(settings.user)
    for place in (settings.data, settings.run):
        for folder, _, files in os.walk(place):
            for path in (Path(folder), *(Path(folder) / name for name in files)):
                if path.is_symlink() or path.lstat().st_uid == account.pw_uid:
                    continue
                os.chown(path, account.pw_uid, account.pw_gid)


def drop_privileges(settings: Settings) -> None:
    """Become the account that serves; for good."""
    if settings.user is None or os.getuid() != 0:
        return
    account = pwd.getpwnam(settings.user)
    os.initgroups(account.pw_name, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    os.environ["HOME"] = account.pw_dir
