# shellcheck shell=bash
# Waits until all EXPECTED nodes have registered, and prints each with its address and its part of the pods' network.
set -euo pipefail

export KUBECONFIG=/etc/kubernetes/admin.conf
list() {
  kubectl get nodes -o jsonpath='{range .items[*]}{.metadata.name}={.status.addresses[?(@.type=="InternalIP")].address}={.spec.podCIDR}{"\n"}{end}'
}
complete() {
  local name
  for name in $EXPECTED; do list | grep -E "^$name=[^=]+=[^=]+$" >/dev/null || return 1; done
}
if ! await 120 "the nodes $EXPECTED to register" complete; then
  say "$(kubectl get nodes 2>&1)"
  fail "not all of the nodes $EXPECTED" "each registered, with a pod CIDR" "on the missing one: journalctl -u kubelet"
fi
for name in $EXPECTED; do list | grep -E "^$name="; done | tr '\n' ' '
