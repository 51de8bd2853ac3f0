"""What people are told: the state of the lab, and after `make up` what is where and what to try next."""

from __future__ import annotations

from docker.errors import NotFound
from rich.table import Table

from lab import engine, machines, originals, paths, stack, states, storage, tools
from lab.inventory import MACHINES
from lab.steps import LabError, console

_ROLES = {
    "mirror": "images and Debian packages, in place of the internet",
    "dns": "name server of the domain (BIND9)",
    "registry": "registry and its web page, Docker engine",
    "gitlab": "GitLab, and the runner of its pipelines",
    "k8s": "Kubernetes, with ingress on ports 80 and 443",
    "workstation": "your own computer: `make shell`",
}


def show() -> int:
    """Print the lab's state; returns 0 if every machine runs and the stack is there."""
    if not engine.answers():
        console.print("The lab is down. `make up` brings it up.")
        return 1
    docker = engine.client()
    table = _table("machine", "address", "ssh user", "state", "role")
    complete = True
    for each in MACHINES:
        try:
            state = docker.containers.get(machines.container_name(each)).status
        except NotFound:
            state = "missing"
        complete &= state == "running"
        table.add_row(each.name, each.address, each.user, state, _ROLES[each.name])
    console.print(table)
    show_tools()
    try:
        outputs = stack.outputs()
    except LabError as error:
        console.print(f"Stack: {error}", markup=False)
        return 1
    console.print(f"Stack {stack.STACK}: " + str(outputs.get("registryUrl", "not up yet")))
    return 0 if complete and outputs else 1


def show_states() -> None:
    """Print which states are kept, and whether they are of the sources that are here."""
    found = states.all_states()
    if not found:
        console.print("No state is kept. `python -m lab save NAME` keeps the lab as it is.")
        return
    here = states.sources_key()
    table = _table("state", "kept", "after", "machines", "services", "sources")
    for state in found:
        same = "the same" if state.sources == here else "others"
        table.add_row(state.name, state.saved, state.made_by, str(len(state.machines)), str(len(state.answers)), same)
    console.print(table)
    if storage.used():
        console.print(f"The lab's disk with all of them: {storage.used() / 2**30:.1f} GiB in {paths.DISK}")


def show_tools() -> None:
    """Print which tool came from where."""
    table = _table("tool", "used here")
    for tool in tools.all_tools():
        table.add_row(tool.name, tool.origin)
    table.add_row("GitLab's images, charts", "GitLab's own" if originals.official() else "the lab's (lab/mirror)")
    console.print(table)


def show_summary() -> None:
    """Print what is where, and what to try next."""
    outputs = stack.outputs()
    domain = outputs["domain"]
    registry = str(outputs["registryUrl"]).removeprefix("https://")
    where = _table("what", "where (from the workstation)")
    where.add_row("registry", outputs["registryUrl"])
    where.add_row("its web page", outputs["registryUiUrl"])
    where.add_row("Docker engine, mutual TLS", outputs["dockerEndpoint"])
    where.add_row("Kubernetes", f"{outputs['kubernetesEndpoint']}, version {outputs['kubernetesVersion']}")
    where.add_row("GitLab", outputs["gitlabUrl"])
    for name, project in outputs["projects"].items():
        where.add_row(f"project {name}", project["url"])
        where.add_row("  answers at", f"{project['serviceUrl']}/ping")
    where.add_row("applications", f"http://NAME.{outputs['baseDomain']}")
    where.add_row("name server", f"{outputs['dnsServer']}: {', '.join(sorted(outputs['addresses']))}.{domain}")
    console.print(where)
    console.print(f"""
Try next:
  make shell                                             # the workstation
  make shell CMD='dig +short anything.k8s.{domain}'
  make shell CMD='curl https://{registry}/v2/_catalog'
  make shell CMD='docker version'                        # the engine on the registry machine
  make shell CMD='kubectl get pods --all-namespaces'
  make shell CMD='curl http://demo-custom.k8s.{domain}/ping'     # what the last push answers
  make preview                                           # after a change to Pulumi.dev.yaml or the program
  make down                                              # caches stay, so the next `make up` is quick""")


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column)
    return table
