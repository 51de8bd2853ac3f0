"""A GitLab of the lab's own on loopback: started, stopped, started again; and how its clients reach it."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import gitlab
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lab import paths

SERVER = paths.STANDINS / "gitlab/server"
CI_LANGUAGE = paths.CACHE / "ci-language"
REGISTRY = paths.CACHE / "gitlab-registry"


def prepare() -> None:
    """Put there what the server runs: Node with gitlab-ci-local, and the registry."""
    subprocess.run(
        [SERVER / "ci-language/install.sh", CI_LANGUAGE], check=True, env={**os.environ, "PYTHON": sys.executable}
    )
    if not (REGISTRY / "registry").exists():
        REGISTRY.mkdir(parents=True, exist_ok=True)
        subprocess.run([paths.STANDINS / "images/registry/build.sh", REGISTRY], check=True)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


class Installation:
    """One installation below a directory."""

    def __init__(self, root: Path, more: str = "") -> None:
        self.root = root
        self.port, self.registry_port = free_port(), free_port()
        self.url = f"https://localhost:{self.port}"
        self.configuration = (
            f"external_url '{self.url}'\n"
            f"registry_external_url 'https://localhost:{self.registry_port}'\n"
            "letsencrypt['enable'] = false\n" + more
        )
        self.ca = root / "ca.crt"
        self._process: subprocess.Popen[bytes] | None = None
        self.new_certificate()

    def start(self) -> None:
        """Start; returns when it is configured and answers."""
        with (self.root / "wrapper.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gitlab_standin.supervisor", "--root", str(self.root)]
                + ["--node", str(CI_LANGUAGE / "bin/node")]
                + ["--ci-local", str(CI_LANGUAGE / "node_modules/gitlab-ci-local/dist/index.js")]
                + ["--registry-program", str(REGISTRY / "registry"), "--agent-seconds", "3"],
                env={**os.environ, "GITLAB_OMNIBUS_CONFIG": self.configuration, "PYTHONPATH": str(SERVER)},
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                if self.get("/-/readiness?all=1").status_code == 200:
                    return
            except requests.ConnectionError:
                pass
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((self.root / "wrapper.log").read_text())
            time.sleep(0.1)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def get(self, path: str, **more: Any) -> requests.Response:
        return requests.get(self.url + path, verify=str(self.ca), timeout=70, **more)

    def post(self, path: str, **more: Any) -> requests.Response:
        return requests.post(self.url + path, verify=str(self.ca), timeout=70, **more)

    def command(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """A command as `docker exec gitlab` would run it."""
        return subprocess.run(
            [sys.executable, "-m", "gitlab_standin.commands", *arguments],
            env={
                **os.environ,
                "PYTHONPATH": str(SERVER),
                "GITLAB_STANDIN_SETTINGS": str(self.root / "run/gitlab/settings.json"),
            },
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )

    def make_token(self, name: str, value: str, *scopes: str, expires: str | None = None) -> str:
        """A token of root's, as the stack makes it."""
        day = expires or str((datetime.now(UTC) + timedelta(days=90)).date())
        listed = ", ".join(f"'{scope}'" for scope in scopes)
        ruby = (
            "user = User.find_by_username('root')\n"
            f"token = user.personal_access_tokens.create(name: '{name}', scopes: [{listed}], expires_at: '{day}')\n"
            f"token.set_token('{value}')\ntoken.save!\n"
        )
        done = self.command("gitlab-rails", "runner", "-", stdin=ruby)
        assert done.returncode == 0, done.stderr
        return value

    def client(self, token: str) -> gitlab.Gitlab:
        return gitlab.Gitlab(self.url, private_token=token, ssl_verify=str(self.ca))

    def git(self, *arguments: str, cwd: Path | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """The real git, trusting the installation's CA."""
        done = subprocess.run(
            ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
            + ["-c", "credential.helper=", *arguments],
            cwd=cwd,
            env={
                **os.environ,
                "GIT_TERMINAL_PROMPT": "0",
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_SSL_CAINFO": str(self.ca),
                "HOME": str(self.root),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    def remote(self, path: str, user: str, secret: str) -> str:
        return f"https://{user}:{secret}@localhost:{self.port}/{path}.git"

    def served_certificate(self) -> str:
        return ssl.get_server_certificate(("localhost", self.port))

    def new_certificate(self) -> None:
        """A certificate for localhost, where the configuration looks for it."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        now = datetime.now(UTC)
        names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(names, critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        folder = self.root / "etc/gitlab/ssl"
        folder.mkdir(parents=True, exist_ok=True)
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        (folder / "localhost.crt").write_bytes(pem)
        self.ca.write_bytes(pem)
        (folder / "localhost.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )


class Runner:
    """A runner that speaks the runner API and runs nothing."""

    def __init__(self, installation: Installation, token: str) -> None:
        self._installation = installation
        self.token = token

    def take(self, seconds: float = 20) -> dict[str, Any] | None:
        """The next job, waiting for it; None when none comes."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            answer = self._installation.post(
                "/api/v4/jobs/request",
                json={"token": self.token, "info": {"name": "gitlab-runner", "version": "19.4.0"}},
            )
            if answer.status_code == 201:
                found: dict[str, Any] = answer.json()
                return found
            assert answer.status_code == 204, answer.text
            time.sleep(0.1)
        return None

    def log(self, job: dict[str, Any], text: str, start: int = 0) -> requests.Response:
        content = text.encode()
        return requests.patch(
            f"{self._installation.url}/api/v4/jobs/{job['id']}/trace",
            data=content,
            headers={
                "JOB-TOKEN": job["token"],
                "Content-Range": f"{start}-{start + len(content) - 1}",
                "Content-Type": "text/plain",
            },
            verify=str(self._installation.ca),
            timeout=30,
        )

    def end(self, job: dict[str, Any], state: str = "success", **more: Any) -> requests.Response:
        return requests.put(
            f"{self._installation.url}/api/v4/jobs/{job['id']}",
            json={"token": job["token"], "state": state, **more},
            verify=str(self._installation.ca),
            timeout=30,
        )


def variables(job: dict[str, Any]) -> dict[str, str]:
    """A job's variables by name."""
    return {one["key"]: one["value"] for one in job["variables"]}


def claims(token: str) -> dict[str, Any]:
    """What a JSON Web Token says."""
    import base64

    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found
