"""A machine with a Docker engine that knows what live-restore does, for the tests of the engine's scripts."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from components.docker_engine import Claims
from components.docker_engine.docker_engine import PROGRAMS, SCRIPTS, options, unit, variables
from components.host import Finding, findings
from tests.scripts.machine import Machine

CLAIMS = Claims(
    containers=["registry", "nginx"],
    ports=[80],
    networks=["auto-devops"],
    volumes=["auto-devops-registry", "auto-devops-cache-*"],
    mounts=["/srv/gitlab-runner"],
)
OURS = "etc/docker/auto-devops"
DROPIN = "etc/systemd/system/docker.service.d/auto-devops.conf"

SYSTEMCTL = """case "$*" in
*is-active*docker*) [ -e {root}/active ] ;;
*"is-enabled docker"*) cat {root}/enabled ;;
*MainPID*) cat {root}/pid ;;
"restart docker" | "start docker")
  touch {root}/active
  if [ -e {root}/{dropin} ]; then PATH={root}/bin:$PATH {root}/usr/local/sbin/auto-devops-docker-options; fi
  file={root}/etc/docker/daemon.json
  if [ -e {root}/{dropin} ]; then file={root}/{ours}/daemon.json; fi
  # As dockerd: without live-restore at its end or at its beginning, containers stop.
  was=$(cat {root}/live)
  if [ -e "$file" ]; then jq '."live-restore" // false' "$file" >{root}/live; else echo false >{root}/live; fi
  if [ "$was $(cat {root}/live)" != "true true" ]; then : >{root}/running; fi
  mkdir -p {root}/proc/$(cat {root}/pid)
  echo "dockerd --config-file=$file" >{root}/proc/$(cat {root}/pid)/cmdline
  ;;
"stop docker"*) rm -f {root}/active ;;
esac"""

DOCKER = """[ -e {root}/active ] || exit 1
case "$*" in
"info --format {{{{.LiveRestoreEnabled}}}}") cat {root}/live ;;
"info --format {{{{.Swarm"*) echo "$(cat {root}/swarm) $(cat {root}/live)" ;;
"info --format {{{{.DriverStatus}}}}") echo '[[Backing Filesystem extfs]]' ;;
"ps -q"* | "ps --quiet"* | "ps --format"*) cat {root}/running ;;
"ps --filter publish="*) awk -v port="${{3#publish=}}" '$1 == port {{ print $2 }}' {root}/published ;;
"ps --all --format"*) cat {root}/containers ;;
"volume ls"*) cat {root}/volumes ;;
"network ls --filter"*) cat {root}/networks ;;
"network ls"*) printf '%s\\n' bridge host none; cat {root}/networks ;;
"image ls"*) seq $(wc -l <{root}/images) ;;
"image inspect"*) cat {root}/images ;;
"inspect --type container"*) cat "{root}/used-by-$6" ;;
"rm --force --volumes "*) sed -i "/^$4$/d" {root}/containers ;;
"network rm "*) sed -i "/^$3$/d" {root}/networks ;;
"volume rm "*) for name in "${{@:3}}"; do sed -i "/^$name$/d" {root}/volumes; done ;;
"version --format"*) echo 20.10.24 ;;
esac"""

DPKG_QUERY = """case "$1" in
-S) echo "$2" >/dev/null; exit 1 ;;
*) if grep -qxF "$4" {root}/installed; then printf installed; fi ;;
esac"""


class Engine(Machine):
    """A machine with root's files below a directory of its own, and an engine that knows what live-restore does."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        for name in ("etc/docker", "proc/sys/net/ipv4", "usr/local/sbin", "var/lib", "run", "etc/systemd/system"):
            (root / name).mkdir(parents=True)
        self.put("proc/sys/net/ipv4/ip_forward", "1\n")
        for name in ("installed", "containers", "running", "volumes", "networks", "images", "published", "ports"):
            self.put(name, "")
        for name, content in {"live": "false", "swarm": "inactive", "enabled": "enabled", "pid": "1"}.items():
            self.put(name, f"{content}\n")
        for name, body in {"systemctl": SYSTEMCTL, "docker": DOCKER, "dpkg-query": DPKG_QUERY}.items():
            self.fake(name, body.format(root=root, dropin=DROPIN, ours=OURS))
        self.fake("dockerd", "echo 'Docker version 20.10.24+dfsg1, build 297e128'")
        line = "s/^/LISTEN 0 4096 0.0.0.0/; s/ users/ 0.0.0.0:* users/"
        self.fake("ss", f"""grep "${{2#sport = }} " {root}/ports | sed '{line}'""")
        self.fake("apt-get", "case $* in *install*docker.io*) echo 'Inst docker.io (20 Debian)' ;; esac")
        self.fake("apt-cache", "true")
        # Not this computer's own history.
        self.fake("apt-config", f"echo \"history='{root}/history.log'\"")
        self.fake("ps", "true")
        # Not this computer's own rules.
        self.fake("nft", "true")
        for name in ("iptables", "iptables-save", "ip6tables-save", "journalctl", "groupdel", "ctr"):
            self.fake(name, "true")
        self.fake("ip", "exit 1")
        self.fake("getent", "exit 2")
        self.variables |= variables("registry", "devops.example.com", CLAIMS)

    def put(self, name: str, content: str) -> Path:
        """A file of the machine's."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    def read(self, name: str) -> str:
        return (self.root / name).read_text()

    def rooted(self, text: str) -> str:
        """A script of ours that finds the machine's files where they are here."""
        for path in (
            "/etc/",
            "/usr/local/sbin/",
            "/var/lib/docker",
            "/var/lib/containerd",
            "/proc/",
            "/sys/",
            "/snap/",
            "/var/snap/",
        ):
            text = text.replace(f" {path}", f" {self.root}{path}").replace(f'"{path}', f'"{self.root}{path}')
            text = text.replace(f"={path}", f"={self.root}{path}").replace(f">{path}", f">{self.root}{path}")
            text = text.replace(f"-{path}", f"-{self.root}{path}").replace(f"({path}", f"({self.root}{path}")
        for path in ("/run/docker", "/run/containerd", "/run/sysctl.d", "/usr/lib/sysctl.d", "/usr/local/lib/sysctl.d"):
            text = text.replace(f" {path}", f" {self.root}{path}")
        return text

    def step(self, name: str, **values: str) -> subprocess.CompletedProcess[str]:
        """Runs install, remove or check."""
        script = self.root / f"{name}.sh"
        script.write_text(self.rooted((SCRIPTS / f"{name}.sh").read_text()))
        return self.run(script, **values)

    def check(self, **values: str) -> dict[str, Finding]:
        """What the check finds, by what it looked at; all but what is as it should be."""
        done = self.step("check", **values)
        assert done.returncode == 0, done.stderr
        return {finding.what: finding for finding in findings("registry", done.stdout) if finding.level != "ok"}

    def user_has(self, package: str = "docker.io", daemon: dict[str, Any] | None = None, *running: str) -> None:
        """Somebody's engine, with containers that run."""
        self.put("installed", f"{package}\njq\niptables\n")
        self.put("active", "")
        if daemon is not None:
            self.put("etc/docker/daemon.json", json.dumps(daemon))
        self.put("running", "".join(f"{name}\n" for name in running))
        self.put("containers", "".join(f"{name}\n" for name in running))

    def install(self, key: str = "PEM\n") -> subprocess.CompletedProcess[str]:
        keys = dict.fromkeys(("ca.pem", "cert.pem", "key.pem"), key)
        texts = {
            "options.json": options(2376, []),
            "docker.service.conf": unit(),
            **PROGRAMS,
            "nftables.service.conf": "",
        }
        self.files(keys | {name: self.rooted(text) for name, text in texts.items()})
        return self.step("install")


BASICS = (
    "awk bash cat chmod cmp cut dirname dpkg env find flock grep head hostname id install mkdir mktemp mv readlink rm "
    "sed sha256sum sort stat tail timeout touch tr wc xargs"
).split()


def only(machine: Engine, *programs: str) -> str:
    """A path with the machine's programs, the basic ones, and these."""
    for name in (*BASICS, *programs):
        found = sys.executable if name == "python3" else shutil.which(name)
        assert found, name
        if not (machine.root / "bin" / name).exists():
            (machine.root / "bin" / name).symlink_to(found)
    return f"{machine.root}/bin"
