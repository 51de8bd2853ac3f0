"""Machines that others have set up: what is there is told, or used, and there again at the end."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

import pytest

from tests.lab.driver import SERVERS, Lab, difference
from tests.lab.states import WORKERS

pytestmark = pytest.mark.state("up", changes=True)
NODE, ADDRESS = next(iter(WORKERS.items()))
# Somebody's, by path: what a node has of its own, with the same names and with others.
THEIRS = {
    "/usr/local/bin/kubectl": "#!/bin/sh\necho theirs\n",
    "/opt/cni/bin/bridge": "#!/bin/sh\n",
    "/opt/cni/bin/flannel": "#!/bin/sh\n",
    "/etc/cni/net.d/05-theirs.conflist": '{"cniVersion": "1.0.0", "name": "x", "plugins": [{"type": "flannel"}]}\n',
    "/etc/containerd/certs.d/ghcr.io/hosts.toml": 'server = "https://ghcr.io"\n',
    "/etc/containerd/certs.d/registry.k8s.io/hosts.toml": 'server = "https://registry.k8s.io"\n',
    "/etc/kubernetes/audit.yaml": "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: []\n",
}


def put(lab: Lab, machine: str, files: Mapping[str, str]) -> None:
    """Files of somebody's, as they would be put there by hand."""
    for path, text in files.items():
        mode = 755 if "/bin/" in path else 644
        line = f"mkdir -p $(dirname {path}) && printf %s {shlex.quote(text)} >{path} && chmod {mode} {path}"
        lab.on(machine, line).succeeded()


def test_a_node_with_things_of_its_own(lab: Lab) -> None:
    lab.lab("spares", NODE).succeeded()
    put(lab, NODE, THEIRS)
    before = lab.snapshot(NODE)
    lab.config(f"hosts.{NODE}.address", ADDRESS)
    lab.config("kubernetes.workers[0]", NODE)
    refused = lab.up().failed()
    told = " ".join(refused.output.split())
    assert "nothing was changed" in told
    assert "data /etc/kubernetes found: files that this stack did not make: audit.yaml" in told
    assert f"auto-devops:hosts.{NODE}.adopt[0]" in refused.output
    lab.on(NODE, "test ! -e /etc/containerd/config.toml && test ! -e /usr/local/bin/kubelet").succeeded()

    lab.config(f"hosts.{NODE}.adopt[0]", "/etc/kubernetes")
    lab.up().succeeded()
    assert lab.workstation(f"kubectl get node {NODE} --no-headers").split()[1] == "Ready"
    assert "theirs" not in lab.on(NODE, "kubectl version --client").succeeded().output
    assert set(lab.up().succeeded().changes) == {"unchanged"}

    lab.config("kubernetes.workers", None)
    lab.config(f"hosts.{NODE}", None)
    lab.up().succeeded()
    assert difference(before, lab.snapshot(NODE)) == {}


@pytest.mark.full
def test_data_and_name_servers_of_others(lab: Lab) -> None:
    """On the machines of a stack that is gone, somebody goes on by himself."""
    lab.pulumi("destroy", "--yes", "--skip-preview").succeeded()
    lab.on("dns", "apt-get install -y bind9").succeeded()
    before = lab.before | {"dns": lab.snapshot("dns")}
    own, kept = "/etc/bind/named.conf.local", "/root/named.conf.local"
    zone = 'zone "corp.example" { type primary; file "/etc/bind/db.empty"; };'
    lab.on("dns", f"cp -a {own} {kept} && echo {shlex.quote(zone)} >>{own}").succeeded()
    refused = lab.up().failed()
    assert f"BIND found: a BIND with a configuration of its own: {own}" in " ".join(refused.output.split())

    # As its package brings it, it is used.
    lab.on("dns", f"mv {kept} {own}").succeeded()
    put(lab, "gitlab", {"/srv/gitlab/data/theirs": "their work\n"})
    refused = lab.up().failed()
    assert "data /srv/gitlab found: data that this stack did not begin: data" in " ".join(refused.output.split())

    lab.config("hosts.gitlab.adopt[0]", "/srv/gitlab")
    lab.up().succeeded()
    removed = lab.pulumi("destroy", "--yes", "--skip-preview").succeeded()
    assert "leaving GitLab's data in /srv/gitlab, which this stack did not begin" in removed.output
    assert lab.on("gitlab", "cat /srv/gitlab/data/theirs").succeeded().output == "their work\n"
    lab.on("dns", "systemctl is-active named").succeeded()
    for machine in SERVERS:
        found = difference(before[machine], lab.snapshot(machine))
        # What GitLab has made of the adopted directory, and what a named writes when it has run for a while.
        strange = [
            thing
            for things in found.values()
            for thing in things
            if "/srv/gitlab/" not in thing and "/var/cache/bind/managed-keys" not in thing
        ]
        assert strange == [], machine
