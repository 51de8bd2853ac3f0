# shellcheck shell=bash
# This machine asks for names as it did before us.
set -euo pipefail

# reads_no_more WHO: notes that WHO read a file that goes now; has_to_read WHO: whether it has not read what is there since. The
# note is there until it has: a removal that was killed goes on.
unread="$STATE/unread"
reads_no_more() { mkdir -p "$unread" && touch "$unread/$1"; }
has_to_read() { [ -e "$unread/$1" ]; }

resolved=/etc/systemd/resolved.conf.d/auto-devops.conf
if [ -e "$resolved" ]; then
  reads_no_more systemd-resolved
  rm -f "$resolved"
fi
if has_to_read systemd-resolved; then
  remove_empty "${resolved%/*}"
  restart_if_active systemd-resolved
fi
manager=/etc/NetworkManager/conf.d/auto-devops.conf
if [ -e "$manager" ]; then
  reads_no_more NetworkManager
  rm -f "$manager"
fi
if has_to_read NetworkManager; then systemctl try-reload-or-restart NetworkManager; fi
rm -f /etc/dhcp/dhclient-enter-hooks.d/auto-devops
if take_lines /etc/dhcpcd.enter-hook; then :; fi
give_back /etc/resolvconf/resolv.conf.d/head
if command -v resolvconf >/dev/null && [ -d /etc/resolvconf/resolv.conf.d ]; then resolvconf -u; fi
if grep -qs '^# auto-devops' /etc/resolvconf.conf; then
  reads_no_more resolvconf
  if take_lines /etc/resolvconf.conf; then :; fi
fi
if has_to_read resolvconf && command -v resolvconf >/dev/null; then resolvconf -u; fi
rm -f "$unread"/*
file=/etc/resolv.conf
before="$STATE/before$file"
if [ -f "$before" ] && [ ! -L "$before" ] && [ -f "$file" ] && [ ! -L "$file" ] && systemctl -q is-active dhcpcd; then
  cat "$before" >"$file" # into the same file, as resolver.sh does
  rm -f "$before"
fi
give_back "$file"
