# shellcheck shell=bash
# This machine asks SERVER for names, now and after a reboot; DOMAIN's name server must resolve at the end.
set -euo pipefail

resolved=/etc/systemd/resolved.conf.d/auto-devops.conf
manager=/etc/NetworkManager/conf.d/auto-devops.conf
dhclient=/etc/dhcp/dhclient-enter-hooks.d/auto-devops
dhcpcd=/etc/dhcpcd.enter-hook
head=/etc/resolvconf/resolv.conf.d/head
openresolv=/etc/resolvconf.conf

text=$(mktemp)

# place_for WHO TARGET: $text as TARGET, which WHO has to read.
place_for() {
  if ! cmp -s "$text" "$2"; then stale "$1"; fi
  place "$text" "$2" 644
}

running=no
if systemctl -q is-active systemd-resolved; then
  running=yes
  # `~.` sends every name here, also where a link brought a resolver of its own.
  printf '# auto-devops: the platform'\''s own name server answers for everything.\n[Resolve]\nDNS=%s\nDomains=~.\n' "$SERVER" >"$text"
  place_for systemd-resolved "$resolved"
  refresh systemd-resolved systemctl restart systemd-resolved
fi
if [ "$running" = yes ] && asks_resolved; then
  : # that was all
elif [ -d /etc/resolvconf/resolv.conf.d ] && command -v resolvconf >/dev/null; then
  keep "$head"
  printf 'nameserver %s\n' "$SERVER" >"$text"
  place_for resolvconf "$head"
  refresh resolvconf resolvconf -u
elif [ -e "$openresolv" ] && command -v resolvconf >/dev/null; then
  # A file of shell variables; the last word counts. name_servers come before all others (resolvconf.conf(5)).
  # shellcheck disable=SC2016 # for the file
  printf '# auto-devops: the platform'\''s own name server is asked first.\nname_servers="%s $name_servers"\n# auto-devops: end\n' "$SERVER" >"$text"
  if is_stale resolvconf; then CHANGED=yes; fi
  stale resolvconf
  add_lines "$text" "$openresolv" last
  if [ "$CHANGED" = yes ]; then resolvconf -u; fi
  rm -f "$STATE/stale/resolvconf"
else
  # Whoever else writes /etc/resolv.conf is told to leave it alone.
  if systemctl -q is-active NetworkManager; then
    printf '# auto-devops: /etc/resolv.conf names the platform'\''s own name server.\n[main]\ndns=none\n' >"$text"
    place_for NetworkManager "$manager"
    refresh NetworkManager systemctl reload NetworkManager
  fi
  if [ -d /etc/dhcp/dhclient-enter-hooks.d ]; then
    printf '# auto-devops: /etc/resolv.conf names the platform'\''s own name server.\nmake_resolv_conf() { :; }\n' >"$text"
    place "$text" "$dhclient" 644
  fi
  # Debian 13's client of ifupdown. Its hooks are run by /usr/lib/dhcpcd/dhcpcd-run-hooks after this one, without those in
  # skip_hooks, of whose names the number may be left out (dhcpcd 10, hooks/dhcpcd-run-hooks.in).
  if command -v dhcpcd >/dev/null || [ -x /sbin/dhcpcd ]; then
    # shellcheck disable=SC2016 # for the file
    printf '# auto-devops: /etc/resolv.conf names the platform'\''s own name server.\n%s\n# auto-devops: end\n' \
      'skip_hooks="$skip_hooks resolv.conf"' >"$text"
    add_lines "$text" "$dhcpcd" first
  fi
  keep /etc/resolv.conf
  printf '# auto-devops: the platform'\''s own name server; destroying the stack brings the previous file back.\nnameserver %s\n' "$SERVER" >"$text"
  if [ -L /etc/resolv.conf ]; then rm -f /etc/resolv.conf; fi
  # Into the file that is there: dhcpcd.service has just that one mounted for itself, and would write on into it when we have
  # long given back another (ReadWritePaths=/etc/resolv.conf in Debian's dhcpcd 10.1.0-11).
  if [ -f /etc/resolv.conf ] && systemctl -q is-active dhcpcd; then cat "$text" >/etc/resolv.conf; fi
  place "$text" /etc/resolv.conf 644
fi

answers() { getent ahosts "ns.$DOMAIN" | grep '^' >/dev/null; }
if ! await 15 "ns.$DOMAIN to resolve" answers; then
  say "/etc/resolv.conf: $(tr '\n' ' ' </etc/resolv.conf)"
  fail "ns.$DOMAIN not resolving by $SERVER" "an answer; a firewall may drop UDP and TCP 53 between the two" \
    "on $(hostname): dig @$SERVER ns.$DOMAIN"
fi

# An engine that started before is asked until it knows: Debian 12's is built with Go 1.19, which goes by the resolvers of its
# start until five seconds after the first name that it looks up (seen; net/dnsclient_unix.go, init and tryUpdate). Those five
# seconds are the first pipeline's, otherwise. The name server has no registry: any answer but "no such host" will do.
knows() {
  local said
  said=$(timeout 5 docker pull --quiet "ns.$DOMAIN/auto-devops" 2>&1 || true)
  ! grep -E 'no such host|server misbehaving|Cannot connect' <<<"$said" >/dev/null
}
case "$(systemctl show --property ActiveState --value docker 2>/dev/null)" in
active | activating)
  if command -v docker >/dev/null && ! await 20 "the Docker engine to ask $SERVER" knows; then
    say "the Docker engine of $(hostname) does not ask $SERVER yet: a pull may fail once"
  fi
  ;;
esac
