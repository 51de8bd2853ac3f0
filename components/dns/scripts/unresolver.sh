# shellcheck shell=bash
# This machine asks for names as it did before us.
set -euo pipefail

resolved=/etc/systemd/resolved.conf.d/auto-devops.conf
if [ -e "$resolved" ]; then
  stale systemd-resolved
  rm -f "$resolved"
fi
remove_empty "${resolved%/*}"
refresh systemd-resolved restart_if_active systemd-resolved
manager=/etc/NetworkManager/conf.d/auto-devops.conf
if [ -e "$manager" ]; then
  stale NetworkManager
  rm -f "$manager"
fi
refresh NetworkManager systemctl try-reload-or-restart NetworkManager
rm -f /etc/dhcp/dhclient-enter-hooks.d/auto-devops
if take_lines /etc/dhcpcd.enter-hook; then :; fi
give_back /etc/resolvconf/resolv.conf.d/head
if command -v resolvconf >/dev/null && [ -d /etc/resolvconf/resolv.conf.d ]; then resolvconf -u; fi
if grep -qs '^# auto-devops' /etc/resolvconf.conf; then
  stale resolvconf
  if take_lines /etc/resolvconf.conf; then :; fi
fi
if command -v resolvconf >/dev/null; then refresh resolvconf resolvconf -u; fi
rm -f "$STATE/stale/resolvconf"
file=/etc/resolv.conf
before="$STATE/before$file"
if [ -f "$before" ] && [ ! -L "$before" ] && [ -f "$file" ] && [ ! -L "$file" ] && systemctl -q is-active dhcpcd; then
  cat "$before" >"$file" # into the same file, as resolver.sh does
  rm -f "$before"
fi
give_back "$file"
