# shellcheck shell=bash
# This machine asks for names as it did before us.
set -euo pipefail

if [ -e /etc/systemd/resolved.conf.d/auto-devops.conf ]; then
  rm -f /etc/systemd/resolved.conf.d/auto-devops.conf
  remove_empty /etc/systemd/resolved.conf.d
  restart_if_active systemd-resolved
fi
if [ -e /etc/NetworkManager/conf.d/auto-devops.conf ]; then
  rm -f /etc/NetworkManager/conf.d/auto-devops.conf
  systemctl try-reload-or-restart NetworkManager
fi
rm -f /etc/dhcp/dhclient-enter-hooks.d/auto-devops
if take_lines /etc/dhcpcd.enter-hook; then :; fi
give_back /etc/resolvconf/resolv.conf.d/head
if command -v resolvconf >/dev/null && [ -d /etc/resolvconf/resolv.conf.d ]; then resolvconf -u; fi
if take_lines /etc/resolvconf.conf && command -v resolvconf >/dev/null; then resolvconf -u; fi
file=/etc/resolv.conf
before="$STATE/before$file"
if [ -f "$before" ] && [ ! -L "$before" ] && [ -f "$file" ] && [ ! -L "$file" ] && systemctl -q is-active dhcpcd; then
  cat "$before" >"$file" # into the same file, as resolver.sh does
  rm -f "$before"
fi
give_back "$file"
