# shellcheck shell=bash
# Waits until the nodes EXPECTED are Ready and the cluster's DNS answers. Prints the running version.
set -euo pipefail

export KUBECONFIG=/etc/kubernetes/admin.conf
ready() {
  local name
  for name in $EXPECTED; do
    [ "$(kubectl get node "$name" -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}')" = True ] || return 1
  done
}
if ! await 180 "the nodes $EXPECTED to be Ready" ready; then
  for name in $EXPECTED; do
    say "$name: $(kubectl get node "$name" -o jsonpath='{.status.conditions[?(@.type=="Ready")].message}' 2>&1)"
  done
  fail "nodes that are not Ready (the kubelet's words are above)" "all Ready" "kubectl describe node"
fi
if ! await 180 "the cluster's DNS" kubectl -n kube-system rollout status deployment/coredns --timeout=1s; then
  say "$(kubectl -n kube-system get pods -l k8s-app=kube-dns 2>&1)"
  fail "a cluster DNS that is not available" "deployment coredns rolled out" "kubectl -n kube-system describe pods -l k8s-app=kube-dns"
fi
kubectl version -o json | sed -n '/serverVersion/,/}/s/.*"gitVersion": "v\(.*\)".*/\1/p'
