# shellcheck shell=bash
# This machine joins the cluster with the configuration that came.
set -euo pipefail

joined="$STATE/kubernetes-initialised"
if [ ! -e "$joined" ]; then
  if [ -e /etc/kubernetes/kubelet.conf ]; then
    say "an earlier kubeadm join was interrupted; starting it anew"
    kubeadm reset -f --cri-socket unix:///run/containerd/containerd.sock >/dev/null 2>&1 || true
    rm -rf /etc/kubernetes
  fi
  say "kubeadm join"
  if ! kubeadm join --config "$FILES/kubeadm.yaml" >"$FILES/log" 2>&1; then
    tail -n 20 "$FILES/log" >&2
    journalctl -u kubelet -n 200 --no-pager -o cat | grep -v "mirror pod" | tail -n 5 >&2 || true
    fail "kubeadm join that failed (its last words are above)" "this node in the cluster" "correct what it names, then run pulumi up again"
  fi
  mkdir -p "$STATE"
  touch "$joined"
fi
