# shellcheck shell=bash
# BIND forgets the zone; it goes itself where it came with the stack, else it gets its own configuration back.
set -euo pipefail

settle dns
if came_with_us dns bind9; then
  systemctl disable -q --now named 2>/dev/null || true
fi
give_back /etc/bind/named.conf.options
give_back /etc/bind/named.conf.local
rm -rf /etc/bind/auto-devops
rm -f "$STATE/dns-serial" "$STATE/dns-forwarders"
if came_with_us dns bind9; then
  remove_packages dns
  if ! installed bind9; then rm -rf /etc/bind /var/cache/bind /run/named; fi
else
  restart_if_active named
  remove_packages dns
fi
forget_empty
