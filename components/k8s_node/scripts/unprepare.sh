# shellcheck shell=bash
# This machine is no node any more: nothing of the kubelet, its pods, their network or their images.
set -euo pipefail

# What prepare.sh refused to touch.
if [ -e /etc/kubernetes/kubelet.conf ] && [ ! -e "$STATE/kubernetes-begun" ] && [ ! -e "$STATE/kubernetes-initialised" ]; then
  say "leaving the Kubernetes node on $(hostname), which this stack did not make"
  exit 0
fi

settle kubernetes
began() { grep -qxF "$1" "$STATE/kubernetes-directories" 2>/dev/null; }
ours=no running=no unit=/etc/systemd/system/kubelet.service
if came_with_us kubernetes containerd; then ours=yes; fi
if systemctl -q is-active containerd; then running=yes; fi

if [ -e "$unit" ] && { [ -e "$STATE/before$unit" ] || [ -e "$STATE/before$unit.none" ]; }; then systemctl disable -q --now kubelet; fi
give_back "$unit"
give_back "$unit.d/10-kubeadm.conf"
for program in kubeadm kubelet kubectl; do give_back "/usr/local/bin/$program"; done
give_back /etc/kubelet-resolv.conf
rm -f /opt/cni/bin/.auto-devops
give_back_below /opt/cni/bin
if [ "$ours" = yes ] && [ "$running" = yes ]; then
  stale containerd
  systemctl stop containerd
fi
remove_empty "$unit.d" /opt/cni/bin /opt/cni /etc/cni/auto-devops /etc/cni/net.d /etc/cni
for directory in /var/lib/kubelet /var/log/pods /var/log/containers; do
  if began "$directory"; then remove_tree "$directory"; fi
  give_back_below "$directory"
done
# The plugins' own notes of the pods' addresses; those of other networks are somebody else's.
remove_tree /var/lib/cni/networks/auto-devops
rm -f /var/lib/cni/results/auto-devops-* /etc/modules-load.d/auto-devops-kubernetes.conf /etc/sysctl.d/90-auto-devops-kubernetes.conf
if [ "$ours" = yes ]; then rm -f /var/lib/cni/results/cni-loopback-*; fi
remove_empty /var/lib/cni/networks /var/lib/cni/results /var/lib/cni/cache /var/lib/cni

give_back_below /etc/containerd/certs.d
if [ -d /etc/containerd/certs.d ]; then find /etc/containerd/certs.d -depth -type d -empty -delete; fi
rm -f "$STATE/started/containerd"
give_back /etc/containerd/config.toml
remove_packages kubernetes
if began /var/lib/containerd && ! installed containerd && ! installed containerd.io; then
  remove_tree /var/lib/containerd
  remove_tree /run/containerd
  remove_empty /etc/containerd
elif { installed containerd || installed containerd.io; } && { [ "$running" = yes ] || is_stale containerd; }; then
  systemctl restart containerd
  # Someone else's keeps in Kubernetes' namespace what it had there before us (see prepare.sh).
  before="$STATE/kubernetes-containerd"
  brought() { ctr -n k8s.io "$1" ls -q | sed "s/^/$1 /" | { grep -vxFf "$before" || true; } | cut -d' ' -f2-; }
  if [ -e "$before" ]; then
    need ctr "on $(hostname): apt-get install --reinstall containerd; then run pulumi destroy again"
    if ! await 30 containerd ctr version; then
      fail "a containerd that does not answer" "ctr version to work, so that the pods' images and containers can go" \
        "on $(hostname): journalctl -u containerd; then run pulumi destroy again"
    fi
    containers=$(brought containers)
    for container in $containers; do
      ctr -n k8s.io tasks rm -f "$container" >/dev/null 2>&1 || true # most have none any more
      ctr -n k8s.io containers rm "$container" >/dev/null
    done
    images=$(brought images)
    for image in $images; do ctr -n k8s.io images rm "$image" >/dev/null; done
  fi
  if [ -e "$STATE/kubernetes-containerd-disabled" ]; then systemctl disable -q containerd; fi
  if [ -e "$STATE/kubernetes-containerd-stopped" ]; then systemctl stop containerd; fi
fi
rm -f "$STATE"/kubernetes-{containerd,containerd-disabled,containerd-stopped,directories} "$STATE/stale/containerd"
if [ -r "$STATE/kubernetes-sysctl" ]; then
  while IFS="=" read -r key value; do
    if [ -e "/proc/sys/$key" ]; then printf '%s' "$value" >"/proc/sys/$key"; fi
  done <"$STATE/kubernetes-sysctl"
  rm -f "$STATE"/kubernetes-sysctl{,.new}
fi
systemctl daemon-reload
