# shellcheck shell=bash
# This machine is no node any more: nothing of the kubelet, its pods, their network or their images.
set -euo pipefail

# What prepare.sh refused to touch.
if [ -e /etc/kubernetes/kubelet.conf ] && [ ! -e "$STATE/kubernetes-begun" ] && [ ! -e "$STATE/kubernetes-initialised" ]; then
  say "leaving the Kubernetes node on $(hostname), which this stack did not make"
  exit 0
fi

settle kubernetes

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

running=no
if systemctl -q is-active containerd; then running=yes; fi
if came_with_us kubernetes containerd; then
  systemctl stop containerd 2>/dev/null || true
fi
rm -rf /etc/containerd/certs.d "$STATE/started/containerd"
give_back /etc/containerd/config.toml
remove_packages kubernetes
if ! installed containerd; then
  rm -rf /etc/containerd /run/containerd
  if [ -d /var/lib/containerd ]; then find /var/lib/containerd -mindepth 1 -xdev -delete 2>/dev/null || true; fi
  rmdir /var/lib/containerd 2>/dev/null || true
elif [ "$running" = yes ]; then
  systemctl restart containerd
  # Someone else's keeps in Kubernetes' namespace what it had there before us (see prepare.sh).
  before="$STATE/kubernetes-containerd"
  brought() { ctr -n k8s.io "$1" ls -q | sed "s/^/$1 /" | grep -vxFf "$before" | cut -d' ' -f2- || true; }
  if [ -e "$before" ] && await 30 containerd ctr version; then
    for container in $(brought containers); do
      ctr -n k8s.io tasks rm -f "$container" >/dev/null 2>&1 || true # most have none any more
      ctr -n k8s.io containers rm "$container" >/dev/null || true
    done
    for image in $(brought images); do ctr -n k8s.io images rm "$image" >/dev/null || true; done
  fi
fi
rm -f "$STATE/kubernetes-containerd"
if [ -r "$STATE/kubernetes-sysctl" ]; then
  while IFS="=" read -r key value; do
    if [ -e "/proc/sys/$key" ]; then printf '%s' "$value" >"/proc/sys/$key"; fi
  done <"$STATE/kubernetes-sysctl"
  rm -f "$STATE/kubernetes-sysctl"
fi
systemctl daemon-reload
forget_empty
