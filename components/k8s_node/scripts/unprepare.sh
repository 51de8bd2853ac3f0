# shellcheck shell=bash
# This machine is no node any more: nothing of the kubelet, its pods, their network or their images.
set -euo pipefail

# What prepare.sh refused to touch.
if [ -e /etc/kubernetes/kubelet.conf ] && [ ! -e "$STATE/kubernetes-begun" ] && [ ! -e "$STATE/kubernetes-initialised" ]; then
  say "leaving the Kubernetes node on $(hostname), which this stack did not make"
  exit 0
fi

came_with_us=no
if [ -s "$STATE/packages/kubernetes" ] && grep -qx containerd "$STATE/packages/kubernetes"; then came_with_us=yes; fi
if [ -s "$STATE/packages/kubernetes.before" ]; then came_with_us=yes; fi

systemctl disable -q --now kubelet 2>/dev/null || true
rm -rf /etc/systemd/system/kubelet.service /etc/systemd/system/kubelet.service.d
rm -f /usr/local/bin/kubeadm /usr/local/bin/kubelet /usr/local/bin/kubectl
rm -f /etc/kubelet-resolv.conf
rm -rf /opt/cni/bin /etc/cni/net.d
rmdir /opt/cni /etc/cni 2>/dev/null || true
rm -rf /etc/kubernetes /var/lib/etcd /var/lib/cni /var/log/pods /var/log/containers /run/flannel
if [ -d /var/lib/kubelet ]; then find /var/lib/kubelet -mindepth 1 -xdev -delete 2>/dev/null || true; fi
rmdir /var/lib/kubelet 2>/dev/null || true
rm -f /etc/modules-load.d/auto-devops-kubernetes.conf /etc/sysctl.d/90-auto-devops-kubernetes.conf

if [ "$came_with_us" = yes ]; then
  systemctl stop containerd 2>/dev/null || true
fi
rm -rf /etc/containerd/certs.d "$STATE/started/containerd"
give_back /etc/containerd/config.toml
remove_packages kubernetes
if ! installed containerd; then
  rm -rf /etc/containerd /run/containerd
  if [ -d /var/lib/containerd ]; then find /var/lib/containerd -mindepth 1 -xdev -delete 2>/dev/null || true; fi
  rmdir /var/lib/containerd 2>/dev/null || true
elif systemctl -q is-active containerd; then
  systemctl restart containerd
fi
if [ -r "$STATE/kubernetes-sysctl" ]; then
  while IFS="=" read -r key value; do
    if [ -e "/proc/sys/$key" ]; then printf '%s' "$value" >"/proc/sys/$key"; fi
  done <"$STATE/kubernetes-sysctl"
  rm -f "$STATE/kubernetes-sysctl"
fi
systemctl daemon-reload
forget_empty
