# shellcheck shell=bash
# The ports are free again.
set -euo pipefail

for port in $PORTS; do
  systemctl disable -q --now "auto-devops-ingress-$port.socket" 2>/dev/null || true
  systemctl stop "auto-devops-ingress-$port.service" 2>/dev/null || true
  rm -f "/etc/systemd/system/auto-devops-ingress-$port.socket" "/etc/systemd/system/auto-devops-ingress-$port.service"
done
systemctl daemon-reload
