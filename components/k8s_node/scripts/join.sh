# shellcheck shell=bash
# This machine joins the cluster with the configuration that came.
set -euo pipefail

# shellcheck disable=SC2016 # for people to type
again='pulumi config set auto-devops:repair "$(date -Is)" && pulumi up'
joined="$STATE/kubernetes-initialised" begun="$STATE/kubernetes-begun"
if [ ! -e "$joined" ]; then
  if [ -e "$begun" ]; then
    say "an earlier kubeadm join was interrupted; starting it anew"
    kubeadm reset -f --cri-socket unix:///run/containerd/containerd.sock >/dev/null 2>&1 || true
    if grep -qxF /etc/kubernetes "$STATE/kubernetes-directories" 2>/dev/null; then remove_tree /etc/kubernetes; fi
    # What was adopted (see prepare.sh) went with the reset.
    for directory in /etc/kubernetes /var/lib/kubelet; do
      if [ -d "$STATE/before$directory" ]; then
        mkdir -p "$directory"
        cp -a "$STATE/before$directory/." "$directory/"
      fi
    done
  elif [ -e /etc/kubernetes/kubelet.conf ]; then
    fail "already a Kubernetes node that this stack did not make: see /etc/kubernetes" "a machine without Kubernetes" \
      "take it out of kubernetes.workers; or, if nobody needs it there, on $(hostname): kubeadm reset, then run pulumi up again"
  fi
  say "kubeadm join"
  mkdir -p "$STATE"
  touch "$begun" # what is there from now on is ours, and may be taken away
  if ! kubeadm join --config "$FILES/kubeadm.yaml" >"$FILES/log" 2>&1; then
    tail -n 20 "$FILES/log" >&2
    journalctl -u kubelet -n 200 --no-pager -o cat | grep -v "mirror pod" | tail -n 5 >&2 || true
    fail "kubeadm join that failed (its last words are above)" "this node in the cluster" \
      "correct what it names, then run pulumi up again; where the token has ended (it is good for two hours): $again"
  fi
  touch "$joined"
fi
