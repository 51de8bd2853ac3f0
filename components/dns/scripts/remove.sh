# shellcheck shell=bash
# BIND forgets the zone; it goes itself where it came with the stack, else it gets its own configuration back.
set -euo pipefail

settle dns
ours=no
if came_with_us dns bind9; then ours=yes; fi
if [ "$ours" = yes ] && systemctl -q is-active named; then
  stale named
  systemctl stop named
fi
give_back /etc/bind/named.conf.options
give_back /etc/bind/named.conf.local
remove_tree /etc/bind/auto-devops
rm -f "$STATE/dns-serial" "$STATE"/dns-forwarders{,.new}
remove_packages dns
if ! installed bind9; then
  # What a named writes there by itself; other files are somebody's, as are those in /etc/bind that dpkg has left.
  rm -f /var/cache/bind/managed-keys.bind{,.jnl} /var/cache/bind/named{_dump.db,.stats,.recursing,.secroots} /etc/bind/rndc.key
  remove_tree /run/named
  remove_empty /var/cache/bind /etc/bind
elif is_stale named; then
  refresh named systemctl start named # somebody needs it, as remove_packages has said
elif [ "$ours" = no ]; then
  restart_if_active named
fi
rm -f "$STATE/stale/named"
