"""Every path and fixed name the lab uses, in one place. Owns no files: whoever fills a path owns it."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
SOURCES = REPOSITORY / "lab"
STANDINS = REPOSITORY / "standins"
"""What takes the place of software that cannot be had here."""

CACHE = Path.home() / ".cache/auto-devops"
BIN = CACHE / "bin"
PLUGINS = BIN / "plugins"
VENV = CACHE / "venv"
BUILD = CACHE / "build"
DOCKER_DATA = CACHE / "docker"
CONTAINERD_DATA = CACHE / "containerd"
MIRROR_REGISTRY = CACHE / "mirror/registry"
MIRROR_APT = CACHE / "mirror/apt"
LOCK = CACHE / "lock"

# Where the lab's files really are: lab/storage.py.
STORAGE = CACHE / "storage"
DISK = STORAGE / "disk.xfs"
DISK_MOUNT = STORAGE / "disk"
IMAGE = DISK_MOUNT / "lab.img"
LIVE = STORAGE / "live"
STATES = STORAGE / "states"
STORAGE_LOGS = STORAGE / "logs"

# The running lab: everything below goes with `make down`.
LAB = CACHE / "lab"
SSH_KEY = LAB / "ssh/id_ed25519"
KNOWN_HOSTS = LAB / "ssh/known_hosts"
MIRROR_CA = LAB / "mirror/ca.crt"
MIRROR_CA_KEY = LAB / "mirror/ca.key"
MIRROR_CERTIFICATE = LAB / "mirror/server.crt"
MIRROR_KEY = LAB / "mirror/server.key"
STATE = LAB / "state"
PASSPHRASE = LAB / "passphrase"
STACK_CONFIG = LAB / "Pulumi.dev.yaml"
CA_FILE = CACHE / "ca/dev.crt"
"""The program's own, from which the gitlab provider reads the stack's CA: of whichever stack `dev` was there last."""
LOGS = LAB / "logs"

RUN = Path("/run/auto-devops-lab")
DOCKER_SOCKET = RUN / "docker.sock"
