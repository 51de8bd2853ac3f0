# shellcheck shell=bash
# The first node: a control plane by kubeadm, with the configuration that came. Prints the administrator's kubeconfig.
set -euo pipefail

export KUBECONFIG=/etc/kubernetes/admin.conf
initialised="$STATE/kubernetes-initialised"

if [ ! -e "$initialised" ]; then
  if [ -e /etc/kubernetes/manifests/kube-apiserver.yaml ]; then
    say "an earlier kubeadm init was interrupted; starting it anew"
    kubeadm reset -f --cri-socket unix:///run/containerd/containerd.sock >/dev/null 2>&1 || true
    rm -rf /etc/kubernetes /var/lib/etcd
  fi
  say "pulling the control plane's images"
  if ! kubeadm config images pull --config "$FILES/kubeadm.yaml" >"$FILES/log" 2>&1; then
    tail -n 10 "$FILES/log" >&2
    fail "images of Kubernetes that cannot be pulled (kubeadm's words are above)" "registry.k8s.io or its mirror within reach" \
      "pulumi config set --path 'auto-devops:mirrors.images[\"registry.k8s.io\"]' MIRROR"
  fi
  say "kubeadm init"
  if ! kubeadm init --config "$FILES/kubeadm.yaml" --skip-token-print --skip-certificate-key-print >"$FILES/log" 2>&1; then
    tail -n 25 "$FILES/log" >&2
    journalctl -u kubelet -n 200 --no-pager -o cat | grep -v "mirror pod" | tail -n 5 >&2 || true
    fail "kubeadm init that failed (its last words are above)" "a control plane" \
      "correct what it names, in auto-devops:kubernetes, then run pulumi up again"
  fi
  mkdir -p "$STATE"
  touch "$initialised"
fi

if ! await 120 "the API server" kubectl get --raw /readyz; then
  fail "an API server that does not answer on $ADDRESS:6443" "kubectl get --raw /readyz to say ok" "on $(hostname): crictl ps, or journalctl -u kubelet"
fi
cat /etc/kubernetes/admin.conf
