#!/bin/bash
# First process of a lab machine: turns a container into something systemd can boot as on a server, then becomes it.
#
# Environment: LAB_NAME, LAB_ADDRESS, LAB_USER, LAB_AUTHORIZED_KEY, LAB_NAMESERVERS (space separated),
# LAB_HOSTS (a line for /etc/hosts), LAB_APT_PROXY (may be empty).
set -euo pipefail

# The engine mounts /sys and the cgroups read-only; a plain `remount,rw` answers "busy".
while read -r _ point _; do
  case $point in
    /sys | /sys/fs/cgroup | /sys/fs/cgroup/*) mount -o remount,bind,rw "$point" ;;
  esac
done </proc/self/mounts
# kubelet and volumes with propagation need a shared tree.
mount --make-rshared /

# The engine's own files would hide the machine's, and be written anew at every start. What lies below is ours.
for file in /etc/resolv.conf /etc/hosts /etc/hostname; do
  if grep -q " $(readlink -f "$file") " /proc/self/mounts; then
    umount "$file"
  fi
done
# Where resolv.conf is a link into /run, the engine has left a file there in systemd-resolved's place.
rm -rf /run/systemd/resolve

# The network comes from outside (lab/network.py): services that bind to the machine's address must not start before.
for ((tries = 0; ; tries++)); do
  [[ -z $(ip -4 route show default) ]] || break
  if ((tries == 300)); then
    echo "no network within 30 s: this machine is started by the lab's own commands (make up, python -m lab restart)" >&2
    exit 1
  fi
  sleep 0.1
done

done_file=/var/lib/lab/first-boot
if [[ ! -e $done_file ]]; then
  # The engine made these files, with odd modes.
  chmod 0644 /etc/hostname /etc/hosts
  echo "$LAB_NAME" >/etc/hostname
  # Debian's installer and cloud-init give a machine's own name an address of loopback; both ways are met in the lab.
  own=$LAB_ADDRESS
  if ! grep -qx 'VERSION_ID="12"' /etc/os-release; then own=127.0.1.1; fi
  printf '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n%s %s\n%s\n' \
    "$own" "$LAB_NAME" "$LAB_HOSTS" >/etc/hosts
  rm -f /etc/resolv.conf
  if systemctl is-enabled --quiet systemd-resolved.service 2>/dev/null; then
    ln -s ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
    mkdir -p /etc/lab
    echo "LAB_NAMESERVERS=$LAB_NAMESERVERS" >/etc/lab/link-dns
  else
    for nameserver in $LAB_NAMESERVERS; do echo "nameserver $nameserver"; done >/etc/resolv.conf
  fi
  if systemctl is-enabled --quiet dhcpcd.service 2>/dev/null; then
    # As a DHCP server would say it, at each start.
    read -r _ _ gateway _ < <(ip -4 route show default)
    printf 'allowinterfaces eth0\nnodev\ninterface eth0\nmetric 1000\nstatic ip_address=%s/24\nstatic routers=%s\nstatic domain_name_servers=%s\n' \
      "$LAB_ADDRESS" "$gateway" "$LAB_NAMESERVERS" >>/etc/dhcpcd.conf
  fi
  if [[ -n $LAB_APT_PROXY ]]; then
    printf 'Acquire::http::Proxy "%s";\n' "$LAB_APT_PROXY" >/etc/apt/apt.conf.d/90lab-proxy
  fi

  if [[ $LAB_USER != root ]]; then
    useradd --create-home --shell /bin/bash "$LAB_USER"
    echo "$LAB_USER ALL=(ALL) NOPASSWD: ALL" >"/etc/sudoers.d/$LAB_USER"
    chmod 0440 "/etc/sudoers.d/$LAB_USER"
  fi
  home=$(getent passwd "$LAB_USER" | cut -d: -f6)
  install -d -m 0700 -o "$LAB_USER" -g "$LAB_USER" "$home/.ssh"
  install -m 0600 -o "$LAB_USER" -g "$LAB_USER" <(echo "$LAB_AUTHORIZED_KEY") "$home/.ssh/authorized_keys"

  # Each machine its own keys, kept across restarts.
  ssh-keygen -A
  mkdir -p "$(dirname "$done_file")"
  touch "$done_file"
fi

# systemd passes its environment on to every unit: only what it needs itself.
exec env -i container=docker PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /sbin/init
