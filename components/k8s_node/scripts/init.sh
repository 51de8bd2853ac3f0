# shellcheck shell=bash
# The first node: a control plane by kubeadm, with the configuration that came. Prints the administrator's kubeconfig.
set -euo pipefail

initialised="$STATE/kubernetes-initialised" begun="$STATE/kubernetes-begun"

if [ ! -e "$initialised" ]; then
  if [ -e "$begun" ]; then
    say "an earlier kubeadm init was interrupted; starting it anew"
    kubeadm reset -f --cri-socket unix:///run/containerd/containerd.sock >/dev/null 2>&1 || true
    began() { grep -qxF "$1" "$STATE/kubernetes-directories" 2>/dev/null; }
    for directory in /etc/kubernetes /var/lib/etcd; do
      if began "$directory"; then remove_tree "$directory"; fi
    done
    # What was adopted (see prepare.sh) went with the reset.
    for directory in /etc/kubernetes /var/lib/kubelet; do
      if [ -d "$STATE/before$directory" ]; then
        mkdir -p "$directory"
        cp -a "$STATE/before$directory/." "$directory/"
      fi
    done
  elif [ -e /etc/kubernetes/manifests/kube-apiserver.yaml ] || [ -e /etc/kubernetes/kubelet.conf ]; then
    fail "already a Kubernetes node that this stack did not make: see /etc/kubernetes" "a machine without Kubernetes" \
      "choose another machine as kubernetes.host; or, if nobody needs that cluster, on $(hostname): kubeadm reset, then run pulumi up again"
  fi
  say "pulling the control plane's images"
  if ! kubeadm config images pull --config "$FILES/kubeadm.yaml" >"$FILES/log" 2>&1; then
    tail -n 10 "$FILES/log" >&2
    fail "images of Kubernetes that cannot be pulled (kubeadm's words are above)" "registry.k8s.io or its mirror within reach" \
      "pulumi config set --path 'auto-devops:mirrors.images[\"registry.k8s.io\"]' MIRROR"
  fi
  say "kubeadm init"
  mkdir -p "$STATE"
  touch "$begun" # what is there from now on is ours, and may be taken away
  if ! kubeadm init --config "$FILES/kubeadm.yaml" --skip-token-print --skip-certificate-key-print >"$FILES/log" 2>&1; then
    tail -n 25 "$FILES/log" >&2
    journalctl -u kubelet -n 200 --no-pager -o cat | grep -v "mirror pod" | tail -n 5 >&2 || true
    fail "kubeadm init that failed (its last words are above)" "a control plane" \
      "correct what it names, in auto-devops:kubernetes, then run pulumi up again"
  fi
  touch "$initialised"
fi

cat /etc/kubernetes/admin.conf
