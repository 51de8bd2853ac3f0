# shellcheck shell=bash
# BIND serves DOMAIN from SERVER (an address of this machine). Everything is checked beside the live files first, so that
# a bad zone never replaces a good one; if the server still does not answer afterwards, the previous files come back.
set -euo pipefail

directory=/etc/bind/auto-devops
serials="$STATE/dns-serial"

# The resolvers that this machine had before it asked itself: where all other names are forwarded to.
upstream() {
  local file address
  for file in "$STATE/before/etc/resolv.conf" /run/systemd/resolve/resolv.conf /etc/resolv.conf; do
    [ -r "$file" ] || continue
    while read -r address; do
      case "$address" in
      127.* | ::1 | "$SERVER") ;;
      *) printf '        %s;\n' "$address" ;;
      esac
    done < <(awk '$1 == "nameserver" { print $2 }' "$file")
  done | awk '!seen[$0]++'
}

if grep -q '@FORWARDERS@' "$FILES/named.conf.options"; then
  if [ ! -s "$STATE/dns-forwarders" ]; then
    mkdir -p "$STATE"
    upstream >"$STATE/dns-forwarders.new"
    mv "$STATE/dns-forwarders.new" "$STATE/dns-forwarders"
  fi
  if [ ! -s "$STATE/dns-forwarders" ]; then
    fail "no resolver in /etc/resolv.conf to forward other names to" "at least one" \
      "pulumi config set --path 'auto-devops:dns.forwarders[0]' ADDRESS"
  fi
  sed -i -e "/@FORWARDERS@/{r $STATE/dns-forwarders" -e 'd}' "$FILES/named.conf.options"
fi

install_packages dns bind9 bind9-utils bind9-dnsutils

# The serial grows with every change of the zone, and only then; seconds since 1970 let it grow across a new start too.
serial_of() { awk '/; serial$/ { print $1 }' "$1" 2>/dev/null || true; }
last=$(serial_of "$directory/zone")
kept=$(cat "$serials" 2>/dev/null || true)
if [ -n "$last" ] && [ "$(sed "s/^\( *\)[0-9]* ; serial\$/\1@SERIAL@ ; serial/" "$directory/zone")" = "$(cat "$FILES/zone")" ]; then
  serial=$last
else
  serial=$(date +%s)
  for earlier in "$last" "$kept"; do
    if [ -n "$earlier" ] && ((serial <= earlier)); then serial=$((earlier + 1)); fi
  done
fi
sed -i "s/@SERIAL@/$serial/" "$FILES/zone"

# The whole configuration as it is going to be, with the zone read from here.
if ! output=$(named-checkzone "$DOMAIN" "$FILES/zone" 2>&1); then
  say "$output"
  fail "a zone that named-checkzone refuses (its words are above)" "a loadable zone for $DOMAIN; the one being served stays" \
    "correct auto-devops:dns.records, then run pulumi up again"
fi
sed "s#$directory/zone#$FILES/zone#" "$FILES/named.conf.zones" >"$FILES/check-zones"
cat "$FILES/named.conf.options" "$FILES/check-zones" >"$FILES/check.conf"
if ! output=$(named-checkconf -z "$FILES/check.conf" 2>&1); then
  say "$output"
  fail "options that named-checkconf refuses (its words are above)" "a loadable configuration; the one being served stays" \
    "correct auto-devops:dns, then run pulumi up again"
fi

# From here on the live files change; `previous` is how to go back.
previous=$(mktemp -d)
if [ -d "$directory" ]; then cp -a "$directory" "$previous/auto-devops"; fi
cp -a /etc/bind/named.conf.options /etc/bind/named.conf.local "$previous/"

keep /etc/bind/named.conf.options
keep /etc/bind/named.conf.local
place "$FILES/zone" "$directory/zone" 644
place "$FILES/named.conf.zones" "$directory/named.conf.zones" 644
place "$FILES/named.conf.options" /etc/bind/named.conf.options 644
if ! grep -qF "$directory/named.conf.zones" /etc/bind/named.conf.local; then
  printf 'include "%s";\n' "$directory/named.conf.zones" >>/etc/bind/named.conf.local
  CHANGED=yes
fi
mkdir -p "$STATE"
printf '%s\n' "$serial" >"$serials"

serves() {
  [ "$(dig +short +time=1 +tries=1 @"$SERVER" "$DOMAIN" SOA | awk '{ print $3 }')" = "$serial" ]
}

restart() {
  systemctl enable -q named
  if [ "$CHANGED" = yes ] || ! systemctl -q is-active named; then systemctl reload-or-restart named || true; fi
  if await 10 "BIND to serve serial $serial" serves; then return 0; fi
  # A reload cannot take a new listening address; a restart can.
  systemctl restart named || true
  await 20 "BIND to serve serial $serial" serves
}

if ! restart; then
  journalctl -u named -n 15 --no-pager -o cat >&2 || true
  if [ -d "$previous/auto-devops" ]; then
    remove_tree "$directory"
    cp -a "$previous/auto-devops" "$directory"
    cp -a "$previous/named.conf.options" "$previous/named.conf.local" /etc/bind/
    systemctl restart named || true
  fi
  fail "BIND not serving $DOMAIN with serial $serial on $SERVER (its log is above); the previous zone is back" \
    "an answer for the zone's SOA" "on $(hostname): systemctl status named; ss -lnup 'sport = :53'"
fi

# A forwarder that does not answer is worth knowing now, not when the first download fails.
if ! dig +time=3 +tries=1 @"$SERVER" . NS 2>/dev/null | grep -E 'status: (NOERROR|NXDOMAIN)' >/dev/null; then
  say "warning: other names are not answered through $(awk '{ printf "%s ", $1 }' "$STATE/dns-forwarders" 2>/dev/null || true)- set auto-devops:dns.forwarders, or dns.validateDnssec to false if they strip signatures"
fi
