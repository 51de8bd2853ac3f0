# shellcheck shell=bash
# No pods, no network for them.
set -euo pipefail

rm -f /etc/systemd/system/nftables.service.d/auto-devops-pods.conf
remove_empty /etc/systemd/system/nftables.service.d
remove_units auto-devops-pod-network.service
# The number is network.sh's.
ip route flush proto 144
remove_rules auto-devops-pods
rm -f /usr/local/sbin/auto-devops-pod-network /usr/local/sbin/auto-devops-host-ports \
  /etc/cni/auto-devops/pods.conflist /etc/cni/net.d/10-auto-devops.conflist
if [ -e /etc/systemd/networkd.conf.d/auto-devops.conf ]; then
  stale systemd-networkd
  rm -f /etc/systemd/networkd.conf.d/auto-devops.conf
fi
remove_empty /etc/systemd/networkd.conf.d
refresh systemd-networkd restart_if_active systemd-networkd
rm -f "$STATE/started/systemd-networkd"
