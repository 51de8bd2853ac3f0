# shellcheck shell=bash
# Waits until the nodes EXPECTED are Ready, the API server and all kubelets that run are of VERSION, and the services'
# network and the cluster's DNS are rolled out. Prints the running version.
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
# What runs, not what lies on the disk: an upgrade may have replaced a program and not its process.
server_version() { kubectl version -o json | sed -n '/serverVersion/,/}/s/.*"gitVersion": "v\(.*\)".*/\1/p'; }
kubelet_version() { kubectl get node "$1" -o jsonpath='{.status.nodeInfo.kubeletVersion}'; }
upgraded() {
  local name
  [ "$(server_version)" = "$VERSION" ] || return 1
  for name in $EXPECTED; do [ "$(kubelet_version "$name")" = "v$VERSION" ] || return 1; done
}
if ! await 60 "Kubernetes v$VERSION to run on $EXPECTED" upgraded; then
  found="API server v$(server_version || true)"
  for name in $EXPECTED; do found+=", kubelet of $name $(kubelet_version "$name" || true)"; done
  fail "another version that runs: $found" "v$VERSION everywhere" \
    "on an old kubelet's machine: systemctl restart kubelet; for the API server, on $(hostname): kubeadm upgrade apply v$VERSION"
fi
# Who set up the cluster without kube-proxy has something else in its place.
if kubectl -n kube-system get daemonset kube-proxy >/dev/null 2>&1; then services="daemonset/kube-proxy deployment/coredns"; else services=deployment/coredns; fi
for service in $services; do
  if ! await 180 "$service" kubectl -n kube-system rollout status "$service" --timeout=1s; then
    say "$(kubectl -n kube-system get pods 2>&1)"
    fail "$service that is not available" "it rolled out, for Kubernetes v$VERSION" "kubectl -n kube-system describe $service, and its pods"
  fi
done
server_version
