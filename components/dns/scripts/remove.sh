# shellcheck shell=bash
# BIND forgets the zone; it goes itself where it came with the stack, else it gets its own configuration back.
set -euo pipefail

if [ -s "$STATE/packages/dns" ] || [ -s "$STATE/packages/dns.before" ]; then
  systemctl disable -q --now named 2>/dev/null || true
fi
give_back /etc/bind/named.conf.options
give_back /etc/bind/named.conf.local
rm -rf /etc/bind/auto-devops
rm -f "$STATE/dns-serial" "$STATE/dns-forwarders"
if [ -s "$STATE/packages/dns" ] || [ -s "$STATE/packages/dns.before" ]; then
  remove_packages dns
  if ! installed bind9; then rm -rf /etc/bind /var/cache/bind /run/named; fi
elif systemctl -q is-active named; then
  systemctl restart named
fi
forget_empty
