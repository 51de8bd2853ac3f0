# shellcheck shell=bash
# This node leaves the cluster: its pods, certificates and rules go.
set -euo pipefail

# What the stack refused to take over (see init.sh and join.sh), it does not take away either.
if [ -e /etc/kubernetes/kubelet.conf ] && [ ! -e "$STATE/kubernetes-begun" ] && [ ! -e "$STATE/kubernetes-initialised" ]; then
  say "leaving the Kubernetes node on $(hostname), which this stack did not make"
  exit 0
fi

if command -v kubeadm >/dev/null; then
  say "kubeadm reset"
  kubeadm reset -f --cri-socket unix:///run/containerd/containerd.sock >/dev/null 2>&1 || say "kubeadm reset was not needed"
fi
systemctl stop kubelet 2>/dev/null || true
# The pods' cgroups are slices of systemd, which stay when their pods are gone.
systemctl stop kubepods.slice 2>/dev/null || true
for mounted in $(findmnt -rno TARGET | grep -E '^/var/lib/kubelet/|^/run/netns/cni-' | sort -r); do umount "$mounted" || true; done
rm -f /run/netns/cni-*
for interface in cni0 kube-ipvs0 kube-bridge; do
  if ip link show "$interface" >/dev/null 2>&1; then ip link delete "$interface"; fi
done
# Rules that name Kubernetes' or the CNI plugins' chains go, everyone else's stay.
remove_rules -E 'KUBE-|CNI-'
# The volumes of its pods (charts/storage/values.yaml), which nothing could take up again.
rm -rf /var/lib/auto-devops-volumes
rm -rf /etc/kubernetes /var/lib/etcd /etc/cni/net.d /root/.kube/cache
rm -f "$STATE"/kubernetes-{configuration,configuring,upgrade,begun,initialised}
forget_empty
