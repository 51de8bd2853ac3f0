"""A machine with a Docker engine that knows what live-restore does, for the tests of the engine's scripts."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    images=["docker.io/library/nginx:1", "docker.io/library/golang:1"],
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

IMAGES = """# As moby v20.10.24 (daemon/images/image_delete.go): a name is refused while a container has the image
# and it is the only one; an image goes with its last name, and with it the nameless ones that only led to it.
import json, sys
from pathlib import Path
root = Path(sys.argv[1])
store = root / "store.json"
images = json.loads(store.read_text())
used = [line.split()[0] for line in (root / "image-users").read_text().splitlines()]
what, arguments = sys.argv[2], sys.argv[3:]


def find(name):
    return next((image for image in images if name == image["Id"] or name in image["RepoTags"]), None)


def drop(image):
    if image["Id"] in used or image["RepoTags"] or any(other.get("Parent") == image["Id"] for other in images):
        return False
    images.remove(image)
    parent = find(image.get("Parent") or "-")
    if parent:
        drop(parent)
    return True


if what == "ls":
    print("\\n".join(image["Id"] for image in images))
elif what == "inspect":
    found = [find(name) for name in arguments]
    print(json.dumps([image for image in found if image]))
    sys.exit(0 if all(found) else "Error: No such image")
elif what == "tag":
    other = find(arguments[1])
    if other:
        other["RepoTags"].remove(arguments[1])
    find(arguments[0])["RepoTags"].append(arguments[1])
elif what == "rm":
    image = find(arguments[0])
    if not image:
        sys.exit(f"Error: No such image: {arguments[0]}")
    if image["Id"] in used and len(image["RepoTags"]) < 2:
        sys.exit("Error response from daemon: conflict: unable to remove repository reference (must force)")
    if arguments[0] in image["RepoTags"]:
        image["RepoTags"].remove(arguments[0])
    if not image["RepoTags"]:
        image["RepoDigests"] = []
        if not drop(image) and arguments[0] == image["Id"]:
            sys.exit("Error response from daemon: conflict: image has dependent child images")
store.write_text(json.dumps(images))
"""

DOCKER = """[ -e {root}/active ] || exit 1
case "$*" in
"image ls --all --quiet --no-trunc") exec {python} {root}/images.py {root} ls ;;
"image inspect --format"*) ;;
"image inspect "* | "image rm "* | "image tag "*) exec {python} {root}/images.py {root} "${{@:2}}" ;;
"ps --all --quiet --no-trunc") cut -d' ' -f2 {root}/image-users; exit ;;
"inspect --format {{{{.Image}}}} "*)
  for name in "${{@:4}}"; do awk -v name="$name" '$2 == name {{ print $1 }}' {root}/image-users; done
  exit
  ;;
esac
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


@dataclass(frozen=True)
class Image:
    """An image: its id, names, the one that it was built from here, and the layers that it has beside that's."""

    id: str
    names: Sequence[str] = ()
    parent: Image | None = None
    ci_image: bool = False
    digests: Sequence[str] = ()

    @property
    def layers(self) -> list[str]:
        return [*(self.parent.layers if self.parent else []), f"layer-of-{self.id}"]

    @property
    def inspected(self) -> dict[str, Any]:
        labels = {"auto-devops.ci-image": "go"} if self.ci_image else None
        return {
            "Id": f"sha256:{self.id}",
            "RepoTags": list(self.names),
            "RepoDigests": list(self.digests),
            "Parent": f"sha256:{self.parent.id}" if self.parent else "",
            "Config": {"Labels": labels},
            "RootFS": {"Layers": self.layers},
        }


class Engine(Machine):
    """A machine with root's files below a directory of its own, and an engine that knows what live-restore does."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        for name in ("etc/docker", "proc/sys/net/ipv4", "usr/local/sbin", "var/lib", "run", "etc/systemd/system"):
            (root / name).mkdir(parents=True)
        self.put("proc/sys/net/ipv4/ip_forward", "1\n")
        for name in ("installed", "containers", "running", "volumes", "networks", "images", "published", "ports"):
            self.put(name, "")
        self.put("image-users", "")
        self.put("images.py", IMAGES)
        self.images()
        # A process that cannot be (pid_max is at most 4194304): scripts send it signals.
        for name, content in {"live": "false", "swarm": "inactive", "enabled": "enabled", "pid": "4194305"}.items():
            self.put(name, f"{content}\n")
        for name, body in {"systemctl": SYSTEMCTL, "docker": DOCKER, "dpkg-query": DPKG_QUERY}.items():
            self.fake(name, body.format(root=root, dropin=DROPIN, ours=OURS, python=sys.executable))
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

    def images(self, *images: Image, used: Mapping[str, str] | None = None) -> None:
        """What the engine has now; `used` are the ids that a container has, by its name."""
        self.put("store.json", json.dumps([image.inspected for image in images]))
        self.put("image-users", "".join(f"{id} {name}\n" for name, id in (used or {}).items()))

    @property
    def image_names(self) -> list[str]:
        """The names of the images, or the ids of those without."""
        return sorted(
            name for image in json.loads(self.read("store.json")) for name in image["RepoTags"] or [image["Id"]]
        )

    def rooted(self, text: str) -> str:
        """A script of ours that finds the machine's files where they are here."""
        text = text.replace("/var/lib/auto-devops", f"{self.root}/state")
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

    def packages_go(self) -> None:
        """What removals of packages ask beside apt-get, which is the test's business."""
        self.fake("apt-mark", "true")
        self.fake("dpkg", "case $1 in --compare-versions) false ;; esac")

    def install(self, key: str = "PEM\n", **values: str) -> subprocess.CompletedProcess[str]:
        keys = dict.fromkeys(("ca.pem", "cert.pem", "key.pem"), key)
        texts = {
            "options.json": options(2376, []),
            "docker.service.conf": unit(),
            **PROGRAMS,
        }
        self.files(keys | {name: self.rooted(text) for name, text in texts.items()})
        return self.step("install", **values)


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
