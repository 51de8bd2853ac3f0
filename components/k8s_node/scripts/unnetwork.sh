# shellcheck shell=bash
# No pods, no network for them.
set -euo pipefail

systemctl disable -q --now auto-devops-pod-network 2>/dev/null || true
if [ -r /usr/local/sbin/auto-devops-pod-network ]; then
  awk '/^ip route replace/ { print $4 }' /usr/local/sbin/auto-devops-pod-network | while read -r cidr; do
    ip route delete "$cidr" 2>/dev/null || true
  done
  remove_rules auto-devops-pods
fi
rm -f /usr/local/sbin/auto-devops-pod-network /etc/systemd/system/auto-devops-pod-network.service
rm -f /etc/cni/net.d/10-auto-devops.conflist
systemctl daemon-reload
