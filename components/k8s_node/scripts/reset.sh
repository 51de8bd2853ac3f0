# shellcheck shell=bash
# This node leaves the cluster: its pods, certificates and rules go.
set -euo pipefail

# Without these, nothing has begun: what the stack refused to take over (see check.sh), it does not take away either.
if [ ! -e "$STATE/kubernetes-begun" ] && [ ! -e "$STATE/kubernetes-initialised" ]; then
  if [ -e /etc/kubernetes/kubelet.conf ]; then say "leaving the Kubernetes node on $(hostname), which this stack did not make"; fi
  exit 0
fi

if command -v kubeadm >/dev/null; then
  say "kubeadm reset"
  # What it leaves after a failure goes below.
  kubeadm reset -f --cri-socket unix:///run/containerd/containerd.sock >/dev/null 2>&1 || say "kubeadm reset was not needed"
fi
stop_units kubelet.service
# The pods' cgroups are slices of systemd, which stay when their pods are gone.
stop_units kubepods.slice
for mounted in $(findmnt -rno TARGET | grep -E '^/var/lib/kubelet/|^/run/netns/cni-' | sort -r); do
  # Whoever still runs in a namespace of this name is no pod of ours: podman 3 calls its own so, too (pkg/netns).
  if [[ $mounted == /run/netns/* ]] && [ -n "$(ip netns pids "${mounted##*/}" 2>/dev/null)" ]; then continue; fi
  # By itself it may be gone by now.
  if ! umount "$mounted" 2>/dev/null && mountpoint -q "$mounted"; then
    fail "$mounted that cannot be unmounted" "no pod, and nobody else, who uses it" "on $(hostname): fuser -vm $mounted; then run pulumi destroy again"
  fi
done
for name in /run/netns/cni-*; do
  if ! mountpoint -q "$name"; then rm -f "$name"; fi
done
for interface in cni0 kube-ipvs0 kube-bridge; do
  if ip link show "$interface" >/dev/null 2>&1; then ip link delete "$interface"; fi
done
# Rules that name Kubernetes' or the CNI plugins' chains go, everyone else's stay. With networks of others, as podman has them,
# the plugins' chains are theirs as long as one of a container is left (plugins v1.9.1, pkg/utils: CNI- or CNI-DN- and a hash):
# kubeadm's reset has asked the plugins to take back the pods' own.
kept=0
if compgen -G '/etc/cni/net.d/*' >/dev/null && command -v iptables-save >/dev/null; then
  rules=$(iptables-save)
  kept=$(grep -cE '^:CNI-(DN-)?[0-9a-f]{20,} ' <<<"$rules" || true)
fi
if ((kept > 0)); then chains=KUBE-; else chains='(KUBE|CNI)-'; fi
remove_rules -E "^(:|-A )$chains|^-A .* -[jg] $chains"
# The volumes of its pods (charts/storage/values.yaml), which nothing could take up again.
remove_tree /var/lib/auto-devops-volumes
for directory in /etc/kubernetes /var/lib/etcd /root/.kube/cache; do
  if grep -qxF "$directory" "$STATE/kubernetes-directories" 2>/dev/null; then remove_tree "$directory"; fi
  give_back_below "$directory"
done
rm -f "$STATE"/kubernetes-{configuration,configuring,upgrade,begun,initialised}
