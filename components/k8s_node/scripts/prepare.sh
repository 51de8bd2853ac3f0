# shellcheck shell=bash
# This machine can become a node: kernel settings, containerd, kubelet and kubectl of VERSION, CNI plugins of CNI_VERSION.
# Nothing joins or starts a cluster here. KUBERNETES_URL is a source in the layout of dl.k8s.io, CNI_URL one in the layout
# of the CNI plugins' releases; REGISTRIES are "upstream=mirror" pairs for containerd.
set -euo pipefail

# shellcheck source=components/k8s_node/scripts/programs.sh
. "$FILES/programs.sh"
cni=/opt/cni/bin

# What is in these directories at the end came with the stack, and goes with it (see reset.sh and unprepare.sh), unless somebody
# had something there; of that, kubeadm's own removal would take away what has been adopted.
directories="$STATE/kubernetes-directories"
if [ ! -e "$directories" ]; then
  : >"$FILES/directories"
  for directory in /etc/kubernetes /var/lib/{etcd,kubelet,containerd} /var/log/{pods,containers} /root/.kube/cache; do
    if [ "${LEGACY:-no}" = yes ] || ! has_content "$directory"; then
      printf '%s\n' "$directory" >>"$FILES/directories"
    elif adopted "$directory"; then
      while read -r file; do keep "$file"; done < <(find "$directory" \( -type f -o -type l \))
    fi
  done
  place "$FILES/directories" "$directories" 600
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
  if ! { installed containerd || installed containerd.io; }; then
    place "$FILES/before" "$STATE/kubernetes-containerd" 600
  else
    if ! systemctl -q is-enabled containerd; then touch "$STATE/kubernetes-containerd-disabled"; fi
    if ! systemctl -q is-active containerd; then
      touch "$STATE/kubernetes-containerd-stopped"
      systemctl start containerd
      await 30 containerd ctr version || true
    fi
    if { ctr -n k8s.io images ls -q | sed "s/^/images /" &&
      ctr -n k8s.io containers ls -q | sed "s/^/containers /"; } >"$FILES/before" 2>/dev/null; then
      place "$FILES/before" "$STATE/kubernetes-containerd" 600
    fi
  fi
  for key in net/ipv4/ip_forward net/bridge/bridge-nf-call-iptables net/bridge/bridge-nf-call-ip6tables; do
    if [ -r "/proc/sys/$key" ]; then printf '%s=%s\n' "$key" "$(cat "/proc/sys/$key")"; fi
  done >"$STATE/kubernetes-sysctl.new"
  mv "$STATE/kubernetes-sysctl.new" "$STATE/kubernetes-sysctl"
fi
{
  printf 'net.ipv4.ip_forward = 1\n'
  for key in net.bridge.bridge-nf-call-iptables net.bridge.bridge-nf-call-ip6tables; do
    if [ -e "/proc/sys/${key//.//}" ]; then printf '%s = 1\n' "$key"; fi
  done
} >"$FILES/sysctl"
place "$FILES/sysctl" /etc/sysctl.d/90-auto-devops-kubernetes.conf 644
sysctl -q -p /etc/sysctl.d/90-auto-devops-kubernetes.conf

# Docker's own package of containerd is as good; it has runc inside.
engine=(containerd runc)
if installed containerd.io; then engine=(); fi
install_packages kubernetes "${engine[@]}" iptables conntrack ethtool socat iproute2 curl jq

mkdir -p "$WORK"
# Before anything else: of a node that an earlier release made, nothing of this is placed anew.
for program in kubeadm kubelet kubectl; do keep "$binaries/$program"; done
# The programs of a node that is in a cluster are the upgrade's business: control plane first (see upgrade.sh).
if [ ! -e "$STATE/kubernetes-initialised" ]; then
  for program in kubeadm kubelet kubectl; do get_program "$program"; done
fi
if [ "$(cat "$cni/.auto-devops" 2>/dev/null)" != "$CNI_VERSION" ] || [ "${LEGACY:-no}" = yes ]; then
  archive="cni-plugins-linux-$architecture-v$CNI_VERSION.tgz"
  say "downloading CNI plugins v$CNI_VERSION"
  download "$CNI_URL/v$CNI_VERSION/$archive" "$WORK/$archive"
  mkdir -p "$WORK/cni"
  tar -xzf "$WORK/$archive" -C "$WORK/cni"
  # One by one: others keep plugins there, too.
  for file in "$WORK/cni"/*; do place "$file" "$cni/$(basename "$file")" "$(stat -c %a "$file")"; done
  printf '%s\n' "$CNI_VERSION" >"$cni/.auto-devops"
fi

# containerd: systemd's cgroups, as the kubelet has them, and mirrors by registry. Trust comes from the system's store.
# The pause image is the one that kubeadm names, so that what is pulled is what is used.
pause=$(kubeadm config images list --kubernetes-version "$(version_of kubeadm)" 2>/dev/null | grep '/pause:')
sed -i "s#@PAUSE@#$pause#" "$FILES/containerd.toml"
# Pods' networks are in a directory of the stack's own: in /etc/cni/net.d containerd would take what is first by its name, and
# at first, while the stack's own is not there, whatever there is, such as podman's. An earlier release had it there.
pods=/etc/cni/auto-devops
mkdir -p "$pods"
if [ -e /etc/cni/net.d/10-auto-devops.conflist ] && [ ! -e "$pods/pods.conflist" ]; then
  cp /etc/cni/net.d/10-auto-devops.conflist "$pods/pods.conflist"
fi
place "$FILES/containerd.toml" /etc/containerd/config.toml 644
for file in /etc/containerd/certs.d/*/hosts.toml; do
  upstream=$(basename "$(dirname "$file")")
  if [ -e "$file" ] && grep -q '^# auto-devops' "$file" && [[ " $REGISTRIES" != *" $upstream="* ]]; then
    keep "$file"
    give_back "$file"
    remove_empty "$(dirname "$file")"
  fi
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
keep /etc/kubelet-resolv.conf
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
