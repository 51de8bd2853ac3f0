# shellcheck shell=bash
# PORTS of this node are passed on to node ports of ingress by systemd, which starts that again at every boot. Not by
# iptables: kube-proxy translates node ports in the same table, in which a packet is translated only once.
set -euo pipefail

for port in $PORTS; do
  for unit in "auto-devops-ingress-$port.socket" "auto-devops-ingress-$port.service"; do
    place "$FILES/$unit" "/etc/systemd/system/$unit" 644
  done
done
systemctl daemon-reload
for port in $PORTS; do
  # What a connection that is under way uses goes on; new ones meet the units as they are now.
  systemctl stop "auto-devops-ingress-$port.socket"
  if [ "$CHANGED" = yes ]; then systemctl stop "auto-devops-ingress-$port.service"; fi
  if ! systemctl enable -q --now "auto-devops-ingress-$port.socket"; then
    fail "port $port in use: $(ss -Hlntp "sport = :$port")" "it free for ingress" "on $(hostname): stop that process, then run pulumi up again"
  fi
done
