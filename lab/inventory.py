"""Which machines the lab has, and the network they share."""

from dataclasses import dataclass

BRIDGE = "ado-lab0"
SUBNET = "10.77.0.0/24"
GATEWAY = "10.77.0.1"
LABEL = "auto-devops-lab"
MIRROR_NAME = "mirror.lab.internal"
CHROMEDRIVER_PORT = 9515
BOOKWORM, TRIXIE = "bookworm", "trixie"
"""Debian's releases by their code names: 12 and 13."""


@dataclass(frozen=True)
class Machine:
    """One machine of the lab: a systemd system in a container, reached by SSH at a fixed address."""

    name: str
    """At most eleven characters: its cable is called so, too, and an interface's name has fifteen."""
    address: str
    image: str = "server"
    """Folder below lab/machine/ that it is made from."""
    release: str = BOOKWORM
    """Debian's, by its code name."""
    user: str = "root"
    """Who logs in by SSH; anyone but root is made at the first boot and may use sudo without a password."""
    other_ssh_ports: tuple[int, ...] = ()
    """Where the stack may move its SSH server to."""


MIRROR = Machine("mirror", "10.77.0.2", image="mirror")
WORKSTATION = Machine("workstation", "10.77.0.20", image="workstation")
SERVERS = (
    Machine("dns", "10.77.0.11"),
    Machine("registry", "10.77.0.12"),
    Machine("gitlab", "10.77.0.13", user="ops", other_ssh_ports=(2222,)),
    # The other machines have a plain /etc/resolv.conf: both kinds of resolver are met in the lab.
    Machine("k8s", "10.77.0.14", image="resolved"),
)
CLUSTER = SERVERS[-1]
MACHINES = (MIRROR, *SERVERS, WORKSTATION)
NODES = tuple(Machine(f"node{number}", f"10.77.0.{30 + number}") for number in range(1, 6))
"""For a growing cluster, in tests and benchmarks."""
SERVERS_13 = {
    "dns": Machine("dns13", "10.77.0.41", release=TRIXIE),
    "registry": Machine("registry13", "10.77.0.42", image="dhcpcd", release=TRIXIE),
    "gitlab": Machine("gitlab13", "10.77.0.43", release=TRIXIE, user="ops", other_ssh_ports=(2222,)),
    "k8s": Machine("k8s13", "10.77.0.44", image="resolved", release=TRIXIE),
}
"""Debian 13 in the place of each of SERVERS: its name under `hosts` in stack dev -> the machine."""
ALIDNS = Machine("alidns", "10.77.0.5", image="alidns")
"""Alibaba Cloud's DNS: see alidns.py."""
SPARES = (*NODES, *SERVERS_13.values(), ALIDNS)
"""Bare machines that `make up` leaves alone: made on demand."""


def machine(name: str) -> Machine:
    """The machine called `name`; a LookupError names those there are."""
    for candidate in (*MACHINES, *SPARES):
        if candidate.name == name:
            return candidate
    raise LookupError(f"no machine {name!r} in the lab; there are: {', '.join(m.name for m in (*MACHINES, *SPARES))}")
