"""A cluster and nothing else: what bench/nodes.py times. The environment variable BENCH_CLUSTER says where (JSON)."""

import datetime
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from components.ca import CA, CaArgs
from components.dns import NameService
from components.host import Host, HostArgs
from components.k8s_node import K8sNode, K8sNodeArgs
from components.site import Site
from names import Names
from settings.ca import CaSettings
from settings.kubernetes import KubernetesSettings
from settings.machines import Machine
from settings.mirrors import Downloads, MirrorSettings

wanted = json.loads(os.environ["BENCH_CLUSTER"])
kubernetes = KubernetesSettings.model_validate(wanted["kubernetes"])
mirrors = MirrorSettings.model_validate(wanted["mirrors"])
hosts = [
    Host(name, HostArgs(Machine(name, address, "root", 22, wanted["privateKey"], None, host_key), repair=""))
    for name, (address, host_key) in wanted["machines"].items()
]
names = Names("bench.test")
ca = CA("ca", CaArgs(names.domain, CaSettings.model_validate({})))
site = Site(names, ca, Downloads(mirrors, wanted["mirrorCa"], []))
first, *workers = [ca.trust(host, wanted["mirrorCa"]) for host in hosts]
today = datetime.datetime.now(datetime.UTC).date()
K8sNode("k8s-node", K8sNodeArgs(site, first, workers, kubernetes, NameService(), today))
