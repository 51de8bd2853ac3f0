"""A cluster and nothing else: what bench/nodes.py times. The environment variable BENCH_CLUSTER says where (JSON)."""

import datetime
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from components.ca import CA, CaArgs
from components.host import Host, HostArgs
from components.k8s_node import K8sNode, K8sNodeArgs, Mirrors
from settings.kubernetes import KubernetesSettings

wanted = json.loads(os.environ["BENCH_CLUSTER"])
kubernetes = KubernetesSettings.model_validate(wanted["kubernetes"])
hosts = [
    Host(
        name,
        HostArgs(
            address=address,
            user="root",
            port=22,
            private_key=wanted["privateKey"],
            host_key=host_key,
        ),
    )
    for name, (address, host_key) in wanted["machines"].items()
]
ca = CA("ca", CaArgs(domain="bench.test"))
trusted = {host.name: ca.trust(host, wanted["mirrorCa"]) for host in hosts}
K8sNode(
    "k8s-node",
    K8sNodeArgs(
        host=hosts[0],
        workers=hosts[1:],
        trusted=trusted,
        ca=ca,
        domain="bench.test",
        version=kubernetes.version,
        cni_version=kubernetes.cni_version,
        pod_cidr=kubernetes.pod_cidr,
        service_cidr=kubernetes.service_cidr,
        name_server="",
        mirrors=Mirrors(wanted["mirrors"]["images"], wanted["mirrors"]["kubernetes"], wanted["mirrors"]["cni"]),
        images=kubernetes.images.model_dump(by_alias=True),
        today=datetime.datetime.now(datetime.UTC).date(),
        kubeadm={str(kind): content for kind, content in kubernetes.kubeadm.items()},
        containerd=kubernetes.containerd,
    ),
)
