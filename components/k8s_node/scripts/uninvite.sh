# shellcheck shell=bash
# The node leaves: its pods move elsewhere, then the cluster forgets it.
set -euo pipefail

export KUBECONFIG=/etc/kubernetes/admin.conf
network=/usr/local/sbin/auto-devops-pod-network
if [ ! -e /etc/kubernetes/admin.conf ]; then exit 0; fi
# It may be away for a moment only.
if ! command -v kubectl >/dev/null; then
  say "no command kubectl on $(hostname): $NODE leaves without being drained; delete the node from elsewhere: kubectl delete node $NODE"
elif ! await 60 "the API server" kubectl get --raw /readyz; then
  say "the API server on $(hostname) does not answer: $NODE leaves without being drained; when it answers again, kubectl delete node $NODE"
elif kubectl get node "$NODE" >/dev/null 2>&1; then
  say "draining $NODE"
  kubectl drain "$NODE" --ignore-daemonsets --delete-emptydir-data --force --timeout=120s >&2 ||
    say "not everything left $NODE in two minutes; it goes all the same"
  kubectl delete node "$NODE" >&2
  # It sees now that there is one node less. Not by its unit: while that runs for another node that leaves, systemd takes
  # a second restart for the same as the first, which may have looked before.
  if [ -x "$network" ]; then "$network"; fi
fi
