# shellcheck shell=bash
# This machine asks SERVER for names, now and after a reboot; DOMAIN's name server must resolve at the end.
set -euo pipefail

resolved=/etc/systemd/resolved.conf.d/auto-devops.conf
manager=/etc/NetworkManager/conf.d/auto-devops.conf
dhclient=/etc/dhcp/dhclient-enter-hooks.d/auto-devops
head=/etc/resolvconf/resolv.conf.d/head

text=$(mktemp)

if systemctl -q is-active systemd-resolved; then
  # `~.` sends every name here, also where a link brought a resolver of its own.
  printf '# auto-devops: the platform'\''s own name server answers for everything.\n[Resolve]\nDNS=%s\nDomains=~.\n' "$SERVER" >"$text"
  place "$text" "$resolved" 644
  if [ "$CHANGED" = yes ]; then systemctl restart systemd-resolved; fi
elif [ -d /etc/resolvconf/resolv.conf.d ] && command -v resolvconf >/dev/null; then
  keep "$head"
  printf 'nameserver %s\n' "$SERVER" >"$text"
  place "$text" "$head" 644
  if [ "$CHANGED" = yes ]; then resolvconf -u; fi
else
  # Whoever else writes /etc/resolv.conf is told to leave it alone.
  if systemctl -q is-active NetworkManager; then
    printf '# auto-devops: /etc/resolv.conf names the platform'\''s own name server.\n[main]\ndns=none\n' >"$text"
    place "$text" "$manager" 644
    if [ "$CHANGED" = yes ]; then systemctl reload NetworkManager; fi
  fi
  if [ -d /etc/dhcp/dhclient-enter-hooks.d ]; then
    printf '# auto-devops: /etc/resolv.conf names the platform'\''s own name server.\nmake_resolv_conf() { :; }\n' >"$text"
    place "$text" "$dhclient" 644
  fi
  keep /etc/resolv.conf
  printf '# auto-devops: the platform'\''s own name server; destroying the stack brings the previous file back.\nnameserver %s\n' "$SERVER" >"$text"
  if [ -L /etc/resolv.conf ]; then rm -f /etc/resolv.conf; fi
  place "$text" /etc/resolv.conf 644
fi

answers() { getent ahosts "ns.$DOMAIN" | grep '^' >/dev/null; }
if ! await 15 "ns.$DOMAIN to resolve" answers; then
  say "/etc/resolv.conf: $(tr '\n' ' ' </etc/resolv.conf)"
  fail "ns.$DOMAIN not resolving by $SERVER" "an answer; a firewall may drop UDP and TCP 53 between the two" \
    "on $(hostname): dig @$SERVER ns.$DOMAIN"
fi
