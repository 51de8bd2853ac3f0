# shellcheck shell=bash
# This machine can become a node: kernel settings, containerd, kubelet and kubectl of VERSION, CNI plugins of CNI_VERSION.
# Nothing joins or starts a cluster here. KUBERNETES_URL is a source in the layout of dl.k8s.io, CNI_URL one in the layout
# of the CNI plugins' releases; REGISTRIES are "upstream=mirror" pairs for containerd.
set -euo pipefail

# shellcheck source=components/k8s_node/scripts/programs.sh
. "$FILES/programs.sh"
cni=/opt/cni/bin

# A node of this stack, or half of one; init.sh and join.sh write these.
ours=no
if [ -e "$STATE/kubernetes-begun" ] || [ -e "$STATE/kubernetes-initialised" ]; then ours=yes; fi

if [ "$ours" = no ]; then
  if [ -e /etc/kubernetes/kubelet.conf ] || [ -e /etc/kubernetes/manifests/kube-apiserver.yaml ]; then
    fail "already a Kubernetes node that this stack did not make: see /etc/kubernetes" "a machine without Kubernetes" \
      "choose another machine; or, if nobody needs it there, on $(hostname): kubeadm reset, then run pulumi up again"
  fi
  # What would otherwise fail minutes later, inside kubeadm.
  memory=$(awk '$1 == "MemTotal:" { print int($2 / 1024) }' /proc/meminfo)
  if ((memory < MINIMUM_MEMORY)); then
    fail "$memory MiB of memory" "at least $MINIMUM_MEMORY MiB for a Kubernetes node" "give $(hostname) more memory"
  fi
  for port in $PORTS; do
    taken=$(ss -Hlntp "sport = :$port" 2>/dev/null || true)
    if [ -n "$taken" ]; then
      fail "port $port in use: $taken" "it free for Kubernetes" "on $(hostname): stop that process"
    fi
  done
  if [ "$ALLOW_SWAP" = no ] && [ -n "$(tail -n +2 /proc/swaps)" ]; then
    fail "swap: $(tail -n +2 /proc/swaps | awk '{ print $1 }' | tr '\n' ' ')" "no swap; the kubelet refuses to start with it" \
      "on $(hostname): swapoff -a and take it out of /etc/fstab, or set kubernetes.kubeadm.KubeletConfiguration.failSwapOn to false"
  fi
fi

# What the kernel has to do for pods.
printf 'overlay\nbr_netfilter\n' >"$FILES/modules"
place "$FILES/modules" /etc/modules-load.d/auto-devops-kubernetes.conf 644
for module in overlay br_netfilter; do
  modprobe "$module" 2>/dev/null || true # built in, or in a container whose kernel has it loaded
done
if [ ! -e "$STATE/kubernetes-sysctl" ]; then
  mkdir -p "$STATE"
  # What a containerd of the machine's own has where Kubernetes' things will be: the rest goes with us (see unprepare.sh).
  : >"$FILES/before"
  if ! installed containerd || { ctr -n k8s.io images ls -q | sed "s/^/images /" &&
    ctr -n k8s.io containers ls -q | sed "s/^/containers /"; } >"$FILES/before" 2>/dev/null; then
    place "$FILES/before" "$STATE/kubernetes-containerd" 600
  fi
  for key in net/ipv4/ip_forward net/bridge/bridge-nf-call-iptables net/bridge/bridge-nf-call-ip6tables; do
    if [ -r "/proc/sys/$key" ]; then printf '%s=%s\n' "$key" "$(cat "/proc/sys/$key")"; fi
  done >"$STATE/kubernetes-sysctl"
fi
{
  printf 'net.ipv4.ip_forward = 1\n'
  for key in net.bridge.bridge-nf-call-iptables net.bridge.bridge-nf-call-ip6tables; do
    if [ -e "/proc/sys/${key//.//}" ]; then printf '%s = 1\n' "$key"; fi
  done
} >"$FILES/sysctl"
place "$FILES/sysctl" /etc/sysctl.d/90-auto-devops-kubernetes.conf 644
sysctl -q -p /etc/sysctl.d/90-auto-devops-kubernetes.conf

install_packages kubernetes containerd runc iptables conntrack ethtool socat iproute2 curl

# The programs of a node that is in a cluster are the upgrade's business: control plane first (see upgrade.sh).
if [ ! -e "$STATE/kubernetes-initialised" ]; then
  for program in kubeadm kubelet kubectl; do get_program "$program"; done
fi
if [ "$(cat "$cni/.auto-devops" 2>/dev/null)" != "$CNI_VERSION" ]; then
  archive="cni-plugins-linux-$architecture-v$CNI_VERSION.tgz"
  say "downloading CNI plugins v$CNI_VERSION"
  download "$CNI_URL/v$CNI_VERSION/$archive" "$FILES/$archive"
  mkdir -p "$cni"
  tar -xzf "$FILES/$archive" -C "$cni"
  printf '%s\n' "$CNI_VERSION" >"$cni/.auto-devops"
fi

# containerd: systemd's cgroups, as the kubelet has them, and mirrors by registry. Trust comes from the system's store.
# The pause image is the one that kubeadm names, so that what is pulled is what is used.
pause=$(kubeadm config images list --kubernetes-version "$(version_of kubeadm)" 2>/dev/null | grep '/pause:')
sed -i "s#@PAUSE@#$pause#" "$FILES/containerd.toml"
keep /etc/containerd/config.toml
place "$FILES/containerd.toml" /etc/containerd/config.toml 644
for file in /etc/containerd/certs.d/*/hosts.toml; do
  upstream=$(basename "$(dirname "$file")")
  if [ -e "$file" ] && grep -q '^# auto-devops' "$file" && [[ " $REGISTRIES" != *" $upstream="* ]]; then rm -r "$(dirname "$file")"; fi
done
for pair in $REGISTRIES; do
  upstream=${pair%%=*} mirror=${pair#*=}
  printf '# auto-devops: images of %s come from here.\nserver = "https://%s"\n\n[host."https://%s"]\n  capabilities = ["pull", "resolve"]\n%s' \
    "$upstream" "$upstream" "$mirror" "$([[ $mirror == */* ]] && printf '  override_path = true\n')" >"$FILES/hosts.toml"
  place "$FILES/hosts.toml" "/etc/containerd/certs.d/$upstream/hosts.toml" 644
done
systemctl enable -q containerd
restart_for containerd /etc/containerd/config.toml

# Pods ask the platform's own name server alone: the cluster's DNS chooses at random among several, and the others, which
# systemd-resolved lists for a link, do not know the platform's names. Without an own one, they ask whom the machine asks;
# not on its loopback address, which is what systemd-resolved writes into /etc/resolv.conf.
if [ -n "$NAME_SERVER" ]; then
  printf '# auto-devops: the name server for pods.\nnameserver %s\n' "$NAME_SERVER" >"$FILES/resolv.conf"
  if [ -L /etc/kubelet-resolv.conf ]; then rm -f /etc/kubelet-resolv.conf; fi
  place "$FILES/resolv.conf" /etc/kubelet-resolv.conf 644
else
  servers=/etc/resolv.conf
  if systemctl -q is-active systemd-resolved; then servers=/run/systemd/resolve/resolv.conf; fi
  ln -sfn "$servers" /etc/kubelet-resolv.conf
fi

place "$FILES/kubelet.service" /etc/systemd/system/kubelet.service 644
place "$FILES/10-kubeadm.conf" /etc/systemd/system/kubelet.service.d/10-kubeadm.conf 644
systemctl daemon-reload
systemctl enable -q kubelet
