"""Which machines the lab has, and the network they share."""

from dataclasses import dataclass

BRIDGE = "ado-lab0"
SUBNET = "10.77.0.0/24"
GATEWAY = "10.77.0.1"
LABEL = "auto-devops-lab"
MIRROR_NAME = "mirror.lab.internal"
CHROMEDRIVER_PORT = 9515


@dataclass(frozen=True)
class Machine:
    """One machine of the lab: a systemd system in a container, reached by SSH at a fixed address."""

    name: str
    address: str
    image: str = "server"
    """Folder below lab/machine/ that it is made from."""
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
SPARES = tuple(Machine(f"node{number}", f"10.77.0.{30 + number}") for number in range(1, 6))
"""Bare machines that `make up` leaves alone: made on demand, for tests and benchmarks of a growing cluster."""


def machine(name: str) -> Machine:
    """The machine called `name`; a LookupError names those there are."""
    for candidate in (*MACHINES, *SPARES):
        if candidate.name == name:
            return candidate
    raise LookupError(f"no machine {name!r} in the lab; there are: {', '.join(m.name for m in (*MACHINES, *SPARES))}")
