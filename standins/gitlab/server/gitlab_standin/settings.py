"""Where the server keeps things and what it listens on. Owns no files: whoever fills a path owns it."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

SERVER = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Settings:
    """One installation. The defaults are the image's; tests give a root of their own and free ports.

    `etc`, `log` and `data` are the three volumes of GitLab's image. Ports are those that are listened on, which in a
    container may differ from the ones in the URLs.
    """

    external_url: str
    registry_url: str | None = None
    root: Path = Path("/")
    listen: str = "0.0.0.0"
    http_port: int | None = 80
    https_port: int = 443
    registry_port: int = 4567
    ssh_port: int = 22
    """The port inside the container, that sshd listens on."""
    public_ssh_port: int = 22
    """The port that clone URLs name: gitlab_rails['gitlab_shell_ssh_port']."""
    ssl_certificate: Path | None = None
    ssl_certificate_key: Path | None = None
    registry_certificate: Path | None = None
    registry_certificate_key: Path | None = None
    redirect_http: bool = False
    lfs_enabled: bool = True
    kas: bool = True
    """Whether agents for Kubernetes are served."""
    monitoring_whitelist: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    user: str | None = "git"
    """The account that the web application and git run as; None stays who started it."""
    node: Path = Path("/opt/gitlab/embedded/ci-language/bin/node")
    ci_local: Path = Path("/opt/gitlab/embedded/ci-language/node_modules/gitlab-ci-local/dist/index.js")
    registry_program: Path = Path("/opt/gitlab/embedded/bin/registry")
    templates: Path = SERVER / "templates"
    concurrency: int = field(default=2)
    """Pipelines that are created at once."""
    polling_seconds: int = 50
    """How long a runner's question is held open when there is nothing to do."""
    agent_seconds: float = 10
    """How long a request to a cluster waits for its agent, which comes back within seconds of a lost connection."""

    @property
    def etc(self) -> Path:
        """Configuration, certificates and gitlab-secrets.json."""
        return self.root / "etc/gitlab"

    @property
    def log(self) -> Path:
        return self.root / "var/log/gitlab"

    @property
    def data(self) -> Path:
        """Repositories, database, artifacts, registry, backups."""
        return self.root / "var/opt/gitlab"

    @property
    def run(self) -> Path:
        """What goes with the container: sockets and pid files."""
        return self.root / "run/gitlab"

    @property
    def database(self) -> Path:
        return self.data / "postgresql/data/gitlabhq_production.sqlite3"

    @property
    def repositories(self) -> Path:
        return self.data / "git-data/repositories"

    @property
    def artifacts(self) -> Path:
        return self.data / "gitlab-rails/shared/artifacts"

    @property
    def lfs_objects(self) -> Path:
        return self.data / "gitlab-rails/shared/lfs-objects"

    @property
    def traces(self) -> Path:
        return self.data / "gitlab-ci/builds"

    @property
    def registry_storage(self) -> Path:
        return self.data / "gitlab-rails/shared/registry"

    @property
    def backups(self) -> Path:
        return self.data / "backups"

    @property
    def data_version(self) -> Path:
        """The version that wrote the data last; where GitLab's image keeps it too."""
        return self.data / "gitlab-rails/VERSION"

    @property
    def shell_secret(self) -> Path:
        """What hooks and gitlab-shell show to the internal API."""
        return self.data / "gitlab-shell/.gitlab_shell_secret"

    @property
    def secrets(self) -> Path:
        return self.etc / "gitlab-secrets.json"

    @property
    def socket(self) -> Path:
        """The internal API: hooks, gitlab-shell and gitlab-ctl only."""
        return self.run / "internal.sock"

    @property
    def host(self) -> str:
        return urlsplit(self.external_url).hostname or ""

    @property
    def url(self) -> str:
        """The external URL without a trailing slash."""
        return self.external_url.rstrip("/")

    @property
    def registry_address(self) -> str | None:
        """host:port as image names have it, or None when there is no registry."""
        if self.registry_url is None:
            return None
        return urlsplit(self.registry_url).netloc

    @property
    def certificate(self) -> Path:
        return self.ssl_certificate or self.etc / f"ssl/{self.host}.crt"

    @property
    def certificate_key(self) -> Path:
        return self.ssl_certificate_key or self.etc / f"ssl/{self.host}.key"

    @property
    def registry_host(self) -> str:
        return urlsplit(self.registry_url or "").hostname or ""

    @property
    def registry_cert(self) -> Path:
        return self.registry_certificate or self.etc / f"ssl/{self.registry_host}.crt"

    @property
    def registry_key(self) -> Path:
        return self.registry_certificate_key or self.etc / f"ssl/{self.registry_host}.key"

    def may_monitor(self, address: str) -> bool:
        """Whether health is shown to this client."""
        return any(
            ip_network(f"{address}").subnet_of(network)  # type: ignore[arg-type]
            for network in map(ip_network, self.monitoring_whitelist)
            if network.version == ip_network(address).version
        )
