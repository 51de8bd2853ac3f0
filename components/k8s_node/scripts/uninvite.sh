# shellcheck shell=bash
# The node leaves: its pods move elsewhere, then the cluster forgets it.
set -euo pipefail

export KUBECONFIG=/etc/kubernetes/admin.conf
if kubectl get --raw /readyz >/dev/null 2>&1 && kubectl get node "$NODE" >/dev/null 2>&1; then
  say "draining $NODE"
  kubectl drain "$NODE" --ignore-daemonsets --delete-emptydir-data --force --timeout=120s >&2 ||
    say "not everything left $NODE in two minutes; it goes all the same"
  kubectl delete node "$NODE" >&2
fi
