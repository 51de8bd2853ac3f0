# shellcheck shell=bash
# Whether this machine can become a node: nobody else's cluster, room and ports for one, a kernel that lets pods run. NODE is
# its name in the settings, VERSION that of Kubernetes; PORTS are those of the cluster; ALLOW_SWAP and ALLOW_CGROUP_V1 say what the kubelet is told to bear.
set -euo pipefail

# A node of this stack, or half of one; init.sh and join.sh write these.
ours=no
if [ -e "$STATE/kubernetes-begun" ] || [ -e "$STATE/kubernetes-initialised" ]; then ours=yes; fi
# What a node that runs would miss after a reboot only is no reason not to go on.
object=refuse
if [ "$ours" = yes ]; then object=warn; fi
elsewhere="choose another machine; or, if nobody needs it there, on $NODE:"

# Another cluster's node.
active() { systemctl -q is-active "$1" 2>/dev/null || systemctl -q is-enabled "$1" 2>/dev/null; }
if [ "$ours" = no ]; then
  if [ -e /etc/kubernetes/kubelet.conf ] || [ -e /etc/kubernetes/manifests/kube-apiserver.yaml ]; then
    refuse Kubernetes "already a Kubernetes node that this stack did not make: see /etc/kubernetes" "a machine without Kubernetes" \
      "$elsewhere kubeadm reset"
  fi
  # The units of k3s and RKE2 (their install.sh), k0s (k0s install) and microk8s (its snap, before and since 1.21).
  for unit in k3s k3s-agent rke2-server rke2-agent k0scontroller k0sworker snap.microk8s.daemon-kubelet snap.microk8s.daemon-kubelite; do
    if active "$unit"; then refuse Kubernetes "$unit.service, another Kubernetes" "a machine without Kubernetes" "$elsewhere systemctl disable --now $unit"; fi
  done
fi
if [ "$BEGUN" = no ] && [ "$ours" = no ]; then
  if installed kubelet; then
    refuse kubelet "the package kubelet" "no kubelet beside the stack's own" "$elsewhere apt-get remove kubelet"
  elif active kubelet; then
    refuse kubelet "a kubelet.service that this stack did not make: $(systemctl show -p FragmentPath --value kubelet)" "no kubelet beside the stack's own" \
      "$elsewhere systemctl disable --now kubelet"
  fi
  if [[ " $PORTS " == *" 2379 "* ]] && has_content /var/lib/etcd; then
    refuse "data /var/lib/etcd" "data of an etcd that this stack did not begin" "nothing there: kubeadm begins a new one" "$elsewhere mv /var/lib/etcd /var/lib/etcd.old"
  fi
  for directory in /etc/kubernetes /var/lib/kubelet; do
    if theirs "$directory"; then
      refuse "data $directory" "files that this stack did not make: $(find "$directory" ! -type d -printf '%P ' | head -c 200)" "nothing there" \
        "$elsewhere mv $directory $directory.old; or, for a node to start with these files, which come back at the end: pulumi config set --path 'auto-devops:hosts.$NODE.adopt[0]' $directory"
    fi
  done
  for program in kubectl kubeadm kubelet; do
    other=$(command -v "$program" || true)
    if [ -n "$other" ]; then
      warn "$other" "a $program of the machine's own" "it to be another one: while this is a node, $program is /usr/local/bin/$program $VERSION" \
        "nothing; destroy gives it back"
    fi
  done
fi

# What would otherwise fail minutes later, inside kubeadm.
if [ "$ours" = no ]; then
  memory=$(awk '$1 == "MemTotal:" { print int($2 / 1024) }' /proc/meminfo)
  if ((memory >= MINIMUM_MEMORY)); then ok memory "$memory MiB"; else
    refuse memory "$memory MiB of memory" "at least $MINIMUM_MEMORY MiB for a Kubernetes node" "give $NODE more memory"
  fi
  for port in $PORTS; do
    taken=$(holders t "$port" | head -n 1)
    if [ -n "$taken" ]; then
      refuse "port $port" "in use: $taken" "it free for Kubernetes" "on $NODE: stop that process"
    fi
  done
  if [ "$ALLOW_SWAP" = no ] && [ -n "$(tail -n +2 /proc/swaps)" ]; then
    refuse swap "$(tail -n +2 /proc/swaps | awk '{ print $1 }')" "no swap; the kubelet refuses to start with it" \
      "on $NODE: swapoff -a and take it out of /etc/fstab, or set kubernetes.kubeadm.KubeletConfiguration.failSwapOn to false"
  fi
  # kubeadm, kubelet and kubectl are 200 MB, the CNI plugins 80.
  for place in "/usr/local/bin 300" "/opt/cni/bin 100"; do
    read -r directory wanted <<<"$place"
    until [ -d "$directory" ]; do directory=$(dirname "$directory"); done
    free=$(free_mib "$directory")
    if ((free < wanted)); then
      refuse "disk $directory" "$free MiB free" "at least $wanted MiB" "on $NODE: df -h $directory; make room"
    fi
    refuse_noexec "$directory" "programs to run below $directory" "$NODE"
  done
fi

# A containerd of the machine's own is used, with the stack's configuration as long as this is a node.
engine=$(command -v containerd || true)
if [ -n "$engine" ]; then
  if installed containerd.io; then package=containerd.io; else package=containerd; fi
  found=$(containerd --version 2>/dev/null | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1)
  if ! installed "$package"; then
    "$object" containerd "$engine, which no package has brought" "the distribution's package, or Docker's containerd.io" \
      "choose another machine; or, on $NODE: move it out of PATH, and its containerd.service out of /usr/local/lib/systemd/system"
  # CRI v1, the only one that a kubelet has spoken since Kubernetes 1.26, came with containerd 1.6.
  elif [ "$(printf '%s\n' "${found:-0}" 1.6 | sort -V | head -n 1)" != 1.6 ]; then
    "$object" containerd "version ${found:-unknown}" "1.6 or later" "on $NODE: apt-get install --only-upgrade $package"
  elif [ "$BEGUN" = no ] && [ -e /etc/containerd/config.toml ]; then
    # Before the first section; whoever keeps containers elsewhere would miss them meanwhile.
    moved=$(awk '/^ *\[/ { exit } /^ *(root|state) *=/ { print }' /etc/containerd/config.toml | grep -vE "[\"']/(var/lib|run)/containerd/?[\"']" | tr '\n' ' ' || true)
    if [ -n "$moved" ]; then
      refuse containerd "/etc/containerd/config.toml with $moved" "containers in /var/lib/containerd: with the stack's configuration those elsewhere would be hidden" \
        "choose another machine as $NODE"
    elif ! as_packaged "$package" /etc/containerd/config.toml; then
      warn containerd "an /etc/containerd/config.toml of the machine's own" "the stack's in its place; containerd restarts once for it, and containers go on" \
        "what of it pods need, set under auto-devops:kubernetes.containerd; destroy gives the file back"
    else
      ok containerd "$package $found"
    fi
  fi
fi

# A firewall of nftables' beside kube-proxy's rules.
lets_pass forward cni0 'iifname "cni0" accept, oifname "cni0" accept: the way of pods' "$NODE"
if [[ " $PORTS " == *" 6443 "* ]]; then
  lets_pass input 'cni0|6443' 'iifname "cni0" accept: pods ask the API, which is on this machine' "$NODE"
fi

# Settings of the kernel that are read after ours, at each boot and by sysctl --system: by the file's name, whatever directory
# it is in, of files of one name the last of these (sysctl.d(5)); /etc/sysctl.conf by procps as the last of all.
declare -A named=()
for file in /usr/lib/sysctl.d/*.conf /usr/local/lib/sysctl.d/*.conf /run/sysctl.d/*.conf /etc/sysctl.d/*.conf; do
  if [ -r "$file" ] && [[ ${file##*/} > 90-auto-devops-kubernetes.conf ]]; then named[${file##*/}]=$file; fi
done
mapfile -t later < <(for name in "${!named[@]}"; do printf '%s\n' "$name"; done | sort)
files=()
for name in "${later[@]}"; do files+=("${named[$name]}"); done
if [ -r /etc/sysctl.conf ]; then files+=(/etc/sysctl.conf); fi
# ufw reads its own whenever it starts.
if grep -qs '^ENABLED=yes' /etc/ufw/ufw.conf && [ -r /etc/ufw/sysctl.conf ]; then files+=(/etc/ufw/sysctl.conf); fi
forbidden=$([ ${#files[@]} = 0 ] || awk '
  { line = $0; gsub(/[ \t]/, "", line); sub(/^-/, "", line); split(line, part, "="); key = part[1]; gsub("/", ".", key) }
  key ~ /^net\.(ipv4\.(ip_forward|conf\.(all|default)\.forwarding)|bridge\.bridge-nf-call-ip6?tables)$/ {
    if (part[2] == "0") off[key] = FILENAME ":" FNR " " key " = 0"; else delete off[key]
  }
  END { for (key in off) print off[key] }' "${files[@]}")
if [ -n "$forbidden" ]; then
  "$object" sysctl "$(tr '\n' ' ' <<<"$forbidden")" "nothing that takes back, at the next boot, what pods need (the stack's file is /etc/sysctl.d/90-auto-devops-kubernetes.conf)" \
    "on $NODE: take these lines out"
fi

# loadable MODULE: whether the kernel has it, or may load it; hardening guides forbid it by an `install` of nothing.
loadable() {
  [ -d "/sys/module/$1" ] || grep -qw "$1" /proc/filesystems || { plan=$(modprobe -nv "$1" 2>/dev/null) && [[ $plan != *"install /bin/"* && $plan != *"install /usr/bin/"* ]]; }
}
for module in overlay br_netfilter; do
  if loadable "$module"; then continue; fi
  if [ "$module" = br_netfilter ] && { [ -e /proc/sys/net/bridge/bridge-nf-call-iptables ] || systemd-detect-virt -cq; }; then continue; fi
  "$object" "kernel module $module" "missing, or not to be loaded" "it: pods' files and network need overlay and br_netfilter" \
    "on $NODE: grep -rw $module /etc/modprobe.d /lib/modprobe.d; take what forbids it out, or install the kernel's modules: apt-get install linux-image-$(uname -r)"
done

# kubeadm and the kubelet refuse the first version since 1.35 (kubernetes/system-validators#59), unless told to bear it.
if [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; then
  missing=''
  for controller in cpu cpuset memory pids; do
    if ! grep -qw "$controller" /sys/fs/cgroup/cgroup.controllers; then missing+="$controller "; fi
  done
  if [ -z "$missing" ]; then ok cgroups "version 2"; else
    "$object" cgroups "version 2 without ${missing% }" "the controllers cpu, cpuset, memory and pids" \
      "on $NODE: take cgroup_disable=… out of the kernel's command line (cat /proc/cmdline), and reboot"
  fi
elif [ "$ALLOW_CGROUP_V1" = yes ]; then ok cgroups "version 1, as the settings bear"; else
  "$object" cgroups "version 1" "version 2: Kubernetes $VERSION starts no pods with the first" \
    "on $NODE: take systemd.unified_cgroup_hierarchy=0 out of the kernel's command line (cat /proc/cmdline), and reboot"
fi
