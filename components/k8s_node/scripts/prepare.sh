# shellcheck shell=bash
# This machine can become a node: kernel settings, containerd, kubelet and kubectl of VERSION, CNI plugins of CNI_VERSION.
# Nothing joins or starts a cluster here. KUBERNETES_URL is a source in the layout of dl.k8s.io, CNI_URL one in the layout
# of the CNI plugins' releases; REGISTRIES are "upstream=mirror" pairs for containerd.
set -euo pipefail

binaries=/usr/local/bin
cni=/opt/cni/bin
case "$(uname -m)" in
x86_64) architecture=amd64 ;;
aarch64) architecture=arm64 ;;
*) fail "a machine of kind $(uname -m)" "x86_64 or aarch64" "choose another machine" ;;
esac

if [ ! -e /etc/kubernetes/kubelet.conf ]; then
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

# containerd: systemd's cgroups, as the kubelet has them, and mirrors by registry. Trust comes from the system's store.
configured=no
keep /etc/containerd/config.toml
place "$FILES/containerd.toml" /etc/containerd/config.toml 644
for pair in $REGISTRIES; do
  upstream=${pair%%=*} mirror=${pair#*=}
  printf '# auto-devops: images of %s come from here.\nserver = "https://%s"\n\n[host."https://%s"]\n  capabilities = ["pull", "resolve"]\n%s' \
    "$upstream" "$upstream" "$mirror" "$([[ $mirror == */* ]] && printf '  override_path = true\n')" >"$FILES/hosts.toml"
  place "$FILES/hosts.toml" "/etc/containerd/certs.d/$upstream/hosts.toml" 644
done
if [ "$CHANGED" = yes ]; then configured=yes; fi
systemctl enable -q containerd
if [ "$configured" = yes ] || ! systemctl -q is-active containerd; then systemctl restart containerd; fi

# download URL FILE: fetches a file whose SHA-256 stands beside it.
download() {
  local wanted got
  if ! wanted=$(curl -sSfL --retry 5 --retry-connrefused --max-time 60 "$1.sha256" 2>"$FILES/curl"); then
    fail "$1.sha256 not to be had: $(cat "$FILES/curl")" "a Kubernetes version that exists there, and a source within reach" \
      "check kubernetes.version ($VERSION) and mirrors.kubernetes, mirrors.cni; on $(hostname): curl -I $1"
  fi
  wanted=${wanted%% *}
  if ! curl -sSfL --retry 5 --retry-connrefused -o "$2" "$1" 2>"$FILES/curl"; then
    fail "$1 not to be had: $(cat "$FILES/curl")" "a source within reach" "on $(hostname): curl -I $1"
  fi
  got=$(sha256sum "$2" | cut -d' ' -f1)
  if [ "$got" != "$wanted" ]; then
    rm -f "$2"
    fail "$1 with SHA-256 $got" "SHA-256 $wanted, as $1.sha256 says" "tell who runs the mirror; nothing was installed"
  fi
}

# The kubelet of a node that is in a cluster is the upgrade's business: control plane first (see upgrade.sh).
programs=(kubeadm kubelet kubectl)
if [ -e /etc/kubernetes/kubelet.conf ]; then programs=(); fi
for program in "${programs[@]}"; do
  if [ "$("$binaries/$program" version --client -o json 2>/dev/null | sed -n 's/.*"gitVersion": "\(.*\)".*/\1/p')" = "v$VERSION" ] ||
    [ "$("$binaries/$program" version -o short 2>/dev/null)" = "v$VERSION" ] ||
    [ "$("$binaries/$program" --version 2>/dev/null)" = "Kubernetes v$VERSION" ]; then
    continue
  fi
  say "downloading $program v$VERSION"
  download "$KUBERNETES_URL/release/v$VERSION/bin/linux/$architecture/$program" "$FILES/$program"
  place "$FILES/$program" "$binaries/$program" 755
done
if [ "$(cat "$cni/.auto-devops" 2>/dev/null)" != "$CNI_VERSION" ]; then
  archive="cni-plugins-linux-$architecture-v$CNI_VERSION.tgz"
  say "downloading CNI plugins v$CNI_VERSION"
  download "$CNI_URL/v$CNI_VERSION/$archive" "$FILES/$archive"
  mkdir -p "$cni"
  tar -xzf "$FILES/$archive" -C "$cni"
  printf '%s\n' "$CNI_VERSION" >"$cni/.auto-devops"
fi

place "$FILES/kubelet.service" /etc/systemd/system/kubelet.service 644
place "$FILES/10-kubeadm.conf" /etc/systemd/system/kubelet.service.d/10-kubeadm.conf 644
systemctl daemon-reload
systemctl enable -q kubelet
