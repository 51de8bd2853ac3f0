# shellcheck shell=bash
# Brings this node from the version it runs to VERSION, in place. ROLE is control-plane or worker; the control plane goes
# first. A node that runs VERSION is left alone. Pods go on running while the kubelet is replaced.
set -euo pipefail

# shellcheck source=components/k8s_node/scripts/programs.sh
. "$FILES/programs.sh"

running=$(version_of kubelet)
# The kubelet is replaced before everything runs again: a run that was killed between is finished by the next one.
unfinished="$STATE/kubernetes-upgrade"
if [ "$running" = "v$VERSION" ] && [ ! -e "$unfinished" ]; then
  exit 0
fi
IFS=. read -r from_major from_minor _ <<<"${running#v}"
IFS=. read -r to_major to_minor _ <<<"$VERSION"
if [ "$from_major" != "$to_major" ] || ((to_minor < from_minor)) || ((to_minor > from_minor + 1)); then
  fail "Kubernetes $running on $(hostname), and v$VERSION wanted" \
    "the same or the next minor version: Kubernetes supports an upgrade by one minor version only, and no way back" \
    "pulumi config set --path auto-devops:kubernetes.version $from_major.$((from_minor + 1)).0 (or a later patch of it), pulumi up, and so on"
fi

# All of them before anything is changed or stopped.
for program in kubeadm kubelet kubectl; do fetch_program "$program"; done
place_program kubeadm
if [ "$ROLE" = control-plane ]; then
  say "kubeadm upgrade apply v$VERSION"
  if ! KUBECONFIG=/etc/kubernetes/admin.conf kubeadm upgrade apply "v$VERSION" --yes --ignore-preflight-errors "$IGNORED" >"$FILES/log" 2>&1; then
    tail -n 25 "$FILES/log" >&2
    fail "kubeadm upgrade that failed (its last words are above)" "a control plane of v$VERSION" \
      "correct what it names, then run pulumi up again; kubeadm goes on where it stopped"
  fi
else
  say "kubeadm upgrade node"
  if ! kubeadm upgrade node --ignore-preflight-errors "$IGNORED" >"$FILES/log" 2>&1; then
    tail -n 25 "$FILES/log" >&2
    fail "kubeadm upgrade node that failed (its last words are above)" "this node's configuration for v$VERSION" "then run pulumi up again"
  fi
fi
place_program kubectl
mkdir -p "$STATE"
touch "$unfinished"
systemctl stop kubelet
place_program kubelet
systemctl start kubelet
await_kubelet "a kubelet of v$VERSION" "on $(hostname): journalctl -u kubelet"

if [ "$ROLE" = control-plane ]; then
  # A kubelet of another minor version starts its pods anew, the control plane's too, a moment after it says that it is
  # healthy. What follows must not meet an API server that is about to go.
  export KUBECONFIG=/etc/kubernetes/admin.conf
  settled() {
    stays_ready || return 1
    [ "$(kubectl get node "$NODE" -o jsonpath='{.status.nodeInfo.kubeletVersion}')" = "v$VERSION" ]
  }
  if ! await 180 "the control plane to stay ready for five seconds" settled; then
    say "$(kubectl -n kube-system get pods 2>&1)"
    fail "a control plane that does not stay ready after its upgrade to v$VERSION" "kubectl get --raw /readyz to say ok" \
      "on $(hostname): journalctl -u kubelet; then run pulumi up again"
  fi
fi
rm -f "$unfinished"
