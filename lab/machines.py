"""The lab's machines: systemd in containers, reached by SSH like any server.

Owns the containers and their volumes, the key pair that opens them, and known_hosts. What runs on the servers is the
stack's business.
"""

from __future__ import annotations

import io
import ipaddress
import shlex
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterable
from pathlib import Path

from docker.errors import APIError, NotFound
from docker.models.containers import Container

from lab import apt, engine, images, network, paths
from lab.inventory import LABEL, MACHINES, MIRROR, MIRROR_NAME, SPARES, WORKSTATION, Machine
from lab.steps import LabError, StepLog, wait_until

APT_PROXY_PORT = 3142
_PATIENCE_WITH_FAILED_UNITS = 20.0
_VOLUMES = ("/var/lib/docker", "/var/lib/containerd", "/var/lib/kubelet")
# By number, as in /proc/self/status; the newer ones (from 38) are unknown to Debian's engine.
_CAPABILITIES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE "
    "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT "
    "SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP "
    "MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ"
).split()


def container_name(machine: Machine) -> str:
    """The container's name: the machine's would be too common."""
    return f"ado-{machine.name}"


def container(machine: Machine) -> Container:
    """The machine's container; a LabError if there is none."""
    try:
        return engine.client().containers.get(container_name(machine))
    except NotFound:
        raise LabError(f"machine {machine.name} does not exist", "run `make up`") from None


def exists(machine: Machine) -> bool:
    """Whether the machine has been made, running or not."""
    return bool(engine.client().containers.list(all=True, filters={"name": f"^/{container_name(machine)}$"}))


def make_key(log: StepLog) -> str:
    """Make the key pair that opens every machine of this lab."""
    if paths.SSH_KEY.exists() and paths.SSH_KEY.with_suffix(".pub").exists():
        return "already there"
    paths.SSH_KEY.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    paths.SSH_KEY.unlink(missing_ok=True)
    log.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "auto-devops lab", "-f", paths.SSH_KEY])
    return str(paths.SSH_KEY)


def up(log: StepLog, machine: Machine) -> str:
    """Make and start the machine, and wait until it has booted and SSH answers."""
    docker = engine.client()
    name = container_name(machine)
    image = images.machine_tag(machine.image, machine.release)
    note = ""
    try:
        existing = docker.containers.get(name)
        if existing.labels.get(LABEL) != f"machine {image}":
            note = "from older sources of the lab: `make down` and `make up` make it anew"
    except NotFound:
        existing = _create(machine, image)
        note = machine.address
    if existing.status != "running":
        existing.start()
        note = note or "started again"
    _plug(log, machine)
    wait_ready(log, machine)
    return note or "already runs"


def start(log: StepLog, machine: Machine) -> str:
    """Switch on a machine that has been made, and wait until it has booted and SSH answers."""
    found = container(machine)
    if found.status != "running":
        log.awaiting(f"{machine.name} to start")
        found.start()
    _plug(log, machine)
    wait_ready(log, machine)
    return machine.address


def running() -> list[Machine]:
    """The machines that are switched on."""
    names = {found.name for found in engine.client().containers.list(filters={"label": LABEL})}
    return [machine for machine in (*MACHINES, *SPARES) if container_name(machine) in names]


def restart(log: StepLog, machine: Machine) -> None:
    """Reboot the machine and wait until it is back."""
    log.awaiting(f"{machine.name} to shut down")
    container(machine).restart(timeout=60)
    _plug(log, machine)
    wait_ready(log, machine)


def stop(log: StepLog, machine: Machine) -> None:
    """Switch the machine off; `restart` switches it on again."""
    log.awaiting(f"{machine.name} to shut down")
    container(machine).stop(timeout=60)


def wait_ready(log: StepLog, machine: Machine) -> None:
    """Wait until the machine's system is up and its SSH server answers."""
    found = container(machine)
    degraded_since: float | None = None

    def booted() -> bool:
        nonlocal degraded_since
        found.reload()
        if found.status != "running":
            raise LabError(
                f"machine {machine.name} is {found.status} instead of running; it said: {_last_words(found)}",
                f"`docker -H unix://{paths.DOCKER_SOCKET} logs {found.name}` shows why it ended",
            )
        # It waits inside, as each look from outside takes a tenth of a second of a core from the machines that boot.
        state = _execute(found, ["timeout", "10", "systemctl", "is-system-running", "--wait"])[1].strip()
        log.awaited = f"{machine.name} to boot (systemd says: {state})"
        if state != "degraded":
            degraded_since = None
            return state == "running"
        # A unit that fails at first may be one that is tried again.
        degraded_since = degraded_since or time.monotonic()
        if time.monotonic() - degraded_since > _PATIENCE_WITH_FAILED_UNITS:
            failed = _execute(found, ["systemctl", "--failed", "--no-legend", "--plain"])[1].strip()
            raise LabError(
                f"machine {machine.name} has booted with failed units: {failed}",
                f"`make shell ON={machine.name}` opens it, `journalctl -b` says why",
            )
        return False

    wait_until(log, f"{machine.name} to boot", booted, 120)
    # Not always on port 22: on GitLab's machine that is GitLab's, and the machine's own server has moved.
    wait_until(
        log,
        f"{machine.name} to answer by SSH",
        lambda: any(_ssh_banner(machine.address, port) for port in _ssh_ports(found)),
        30,
    )


def collect_known_hosts(log: StepLog) -> str:
    """Write every machine's host keys to known_hosts.

    They are read through the engine, not over the network: no one in between can put in another key.
    """
    lines = []
    existing = [*MACHINES, *(spare for spare in SPARES if exists(spare))]
    for machine in existing:
        output = _host_keys(machine)
        # The keys are the machine's at whichever port its server listens, now or later.
        names = [machine.address, *(f"[{machine.address}]:{port}" for port in machine.other_ssh_ports)]
        lines += [f"{name} {' '.join(key.split()[:2])}" for name in names for key in output.splitlines()]
    paths.KNOWN_HOSTS.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Replaced in one go: a pulumi that reads it meanwhile never sees half of it.
    draft = paths.KNOWN_HOSTS.with_suffix(".draft")
    draft.write_text("\n".join(lines) + "\n")
    draft.rename(paths.KNOWN_HOSTS)
    log.write(f"{len(lines)} keys of {len(existing)} machines")
    return f"{len(lines)} keys"


def _host_keys(machine: Machine) -> str:
    # The engine of a busy computer has been seen to lose the output of so short a command.
    for _ in range(5):
        status, output = _execute(container(machine), ["sh", "-c", "cat /etc/ssh/ssh_host_*_key.pub"])
        if not status and output.strip():
            return output
    raise LabError(f"machine {machine.name} has no SSH host keys: {output.strip() or 'nothing was read'}")


def ssh_command(machine: Machine, *arguments: str) -> list[str]:
    """The ssh command that reaches a machine with this lab's key and known_hosts only."""
    return [
        *(
            "ssh",
            "-i",
            str(paths.SSH_KEY),
            "-F",
            "none",
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "StrictHostKeyChecking=yes",
        ),
        *(
            "-o",
            f"UserKnownHostsFile={paths.KNOWN_HOSTS}",
            "-o",
            "GlobalKnownHostsFile=none",
            "-o",
            "LogLevel=ERROR",
        ),
        f"{machine.user}@{machine.address}",
        *arguments,
    ]


def shell_command(machine: Machine, line: str, *options: str) -> list[str]:
    """The command that opens the machine as its root, or runs one line there; `options` are those of docker exec."""
    engine_command = ["docker", "-H", f"unix://{paths.DOCKER_SOCKET}", "exec", *options, "--workdir", "/root"]
    return [*engine_command, container_name(machine), "bash", "-l", *(["-c", line] if line else [])]


def on_workstation(line: str) -> str:
    """What a shell line prints on the workstation; nothing where it fails."""
    command = ssh_command(WORKSTATION, f"bash -lc {shlex.quote(line)}")
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def put_files(target: Container, files: dict[str, tuple[bytes, int]]) -> None:
    """Put files (path -> content, mode) into a container, running or not."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, (content, mode) in files.items():
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size, member.mode = len(content), mode
            tar.addfile(member, io.BytesIO(content))
    target.put_archive("/", packed.getvalue())


def down(log: StepLog) -> int:
    """Remove all machines and their volumes; returns how many there were."""
    found = engine.client().containers.list(all=True, filters={"label": LABEL})
    _remove(log, found, LABEL)
    return len(found)


def discard(log: StepLog, machine: Machine) -> str:
    """Throw one machine and its volumes away."""
    if not exists(machine):
        return "none there"
    _remove(log, [container(machine)], f"{LABEL}={machine.name}")
    return ""


def _remove(log: StepLog, containers: Iterable[Container], volumes: str) -> None:
    """Remove the containers, and the volumes with that label."""
    for each in containers:
        log.awaiting(f"removal of {each.name}")
        # A machine that is thrown away need not shut down in order.
        each.remove(force=True, v=True)
    for volume in engine.client().volumes.list(filters={"label": volumes}):
        volume.remove(force=True)


def nameservers() -> list[str]:
    """The computer's own name servers, as far as a machine of the lab can reach them.

    Where systemd-resolved listens on loopback, those it forwards to are taken.
    """
    for path in ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"):
        try:
            lines = Path(path).read_text().splitlines()
        except OSError:
            continue
        addresses = [words[1] for line in lines if (words := line.split())[:1] == ["nameserver"] and len(words) > 1]
        reachable = [address for address in addresses if not _is_loopback(address)]
        if reachable:
            return reachable
    raise LabError(
        "/etc/resolv.conf names no name server that the lab's machines could reach (loopback does not count)",
        "name one there",
    )


def _create(machine: Machine, image: str) -> Container:
    docker = engine.client()
    mirrors_hosts = f"{MIRROR.address} {MIRROR_NAME}"
    environment = {
        "LAB_NAME": machine.name,
        "LAB_ADDRESS": machine.address,
        "LAB_USER": machine.user,
        "LAB_AUTHORIZED_KEY": paths.SSH_KEY.with_suffix(".pub").read_text().strip(),
        # The mirror knows its own name too, and asks the computer's for all others: containers on the machines need it.
        "LAB_NAMESERVERS": " ".join(nameservers()) if machine == MIRROR else MIRROR.address,
        "LAB_HOSTS": mirrors_hosts,
        "LAB_APT_PROXY": "" if machine == MIRROR else f"http://{MIRROR_NAME}:{APT_PROXY_PORT}",
    }
    binds = []
    for path in _VOLUMES:
        volume = f"{container_name(machine)}-{Path(path).name}"
        docker.volumes.create(volume, labels={LABEL: machine.name})
        binds.append(f"{volume}:{path}")
    if machine == MIRROR:
        for outside, inside in (
            (paths.MIRROR_REGISTRY, "docker-registry"),
            (paths.MIRROR_APT, "apt-cacher-ng"),
        ):
            outside.mkdir(parents=True, exist_ok=True)
            parent = "/var/lib" if inside == "docker-registry" else "/var/cache"
            binds.append(f"{outside}:{parent}/{inside}")
    api = docker.api
    host_config = api.create_host_config(
        binds=binds,
        cap_drop=["ALL"],
        cap_add=_capabilities(),
        security_opt=["seccomp=unconfined", "apparmor=unconfined"],
        cgroupns="private",
        device_cgroup_rules=["a *:* rwm"],
        devices=["/dev/kmsg:/dev/kmsg:rwm"],
        tmpfs={"/run": "exec", "/run/lock": ""},
        # lab/network.py gives the machine its network once it runs.
        network_mode="none",
    )
    # What the command line calls systempaths=unconfined: nothing below /proc and /sys hidden or read-only.
    host_config.update(MaskedPaths=[], ReadonlyPaths=[])
    created = api.create_container(
        image,
        name=container_name(machine),
        hostname=machine.name,
        environment=environment,
        labels={LABEL: f"machine {image}"},
        stop_signal="SIGRTMIN+3",
        volumes=[bind.split(":")[1] for bind in binds],
        host_config=host_config,
    )
    found = docker.containers.get(created["Id"])
    if machine == MIRROR:
        put_files(
            found,
            {
                "/etc/docker/registry/tls/server.crt": (paths.MIRROR_CERTIFICATE.read_bytes(), 0o644),
                "/etc/docker/registry/tls/server.key": (paths.MIRROR_KEY.read_bytes(), 0o600),
                "/etc/apt-cacher-ng/lab.conf": (_cacher_settings().encode(), 0o644),
            },
        )
    return found


def _plug(log: StepLog, machine: Machine) -> None:
    found = container(machine)
    network.plug(log, machine, int(found.attrs["State"]["Pid"]))


def _cacher_settings() -> str:
    return f"Proxy: {apt.proxy()}\n" if apt.proxy() else "# Debian's archive is reached without a proxy.\n"


def _capabilities() -> list[str]:
    """What this computer may grant: `--privileged` fails where the computer itself lacks a capability."""
    status = Path("/proc/self/status").read_text()
    bounding = int(next(line.split()[1] for line in status.splitlines() if line.startswith("CapBnd")), 16)
    return [name for number, name in enumerate(_CAPABILITIES) if bounding >> number & 1]


def _execute(target: Container, command: list[str]) -> tuple[int, str]:
    try:
        result = target.exec_run(command)
    except APIError as error:
        return 1, str(error)
    assert isinstance(result.output, bytes)
    return int(result.exit_code or 0), result.output.decode(errors="replace")


def _last_words(target: Container) -> str:
    said = target.logs(tail=5)
    assert isinstance(said, bytes)
    return said.decode(errors="replace").strip() or "nothing"


def _ssh_ports(target: Container) -> set[int]:
    """The ports at which the machine's own SSH server listens."""
    listening = _execute(target, ["ss", "--no-header", "--listening", "--tcp", "--numeric", "--processes"])[1]
    sockets = [line.split() for line in listening.splitlines() if '"sshd"' in line]
    return {int(words[3].rpartition(":")[2]) for words in sockets}


def _ssh_banner(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=2) as connection:
            connection.settimeout(2)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False
