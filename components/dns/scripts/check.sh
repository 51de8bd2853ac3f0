# shellcheck shell=bash
# Whether BIND can serve a zone from SERVER, an address of this machine: nobody else's name server is there, and a BIND that is
# there has nothing of its own. HOST_NAME is the machine's name in the settings.
set -euo pipefail

# What its package brought, the stack may replace and give back; with zones, views or options of somebody's it would be another
# server. So it is with one that was removed and left its configuration.
if [ "$BEGUN" = no ]; then
  own=()
  for file in $(dpkg-query -W -f '${Conffiles}\n' bind9 2>/dev/null | awk '$1 ~ "^/etc/(bind/|default/named$)" && $3 != "obsolete" { print $1 }'); do
    if [ -e "$file" ] && ! as_packaged bind9 "$file"; then own+=("$file"); fi
  done
  # Beside these there is the key that the package's installation made.
  while read -r file; do
    if ! dpkg-query -S "$file" >/dev/null 2>&1; then own+=("$file"); fi
  done < <(find /etc/bind /var/lib/bind -type f ! -name rndc.key ! -name '*.dpkg-*' ! -path '/etc/bind/auto-devops/*' 2>/dev/null)
  if [ ${#own[@]} -gt 0 ]; then
    refuse BIND "a BIND with a configuration of its own: ${own[*]}" "one as its package brings it, or none" \
      "set dns.host to another machine, or dns.provider to none and serve the platform's names there (docs/operations.md)"
  else
    ok BIND "$(if installed bind9; then echo "as its package brought it"; else echo none; fi)"
  fi
fi

# systemd-resolved has 127.0.0.53 and .54, which do not matter; libvirt's and others' dnsmasq have a bridge's address.
taken=()
for protocol in t u; do
  while read -r address program unit; do
    if [ "$program" = named ]; then continue; fi
    case "$address" in
    "$SERVER:53" | "[$SERVER]:53" | 127.0.0.1:53 | 127.0.0.1%lo:53 | '[::1]:53' | 0.0.0.0:53 | '*:53' | '[::]:53') taken+=("$program ($unit) at $address") ;;
    esac
  done < <(holders "$protocol" 53)
done
if [ ${#taken[@]} = 0 ]; then ok "port 53" free; else
  mapfile -t taken < <(printf '%s\n' "${taken[@]}" | sort -u)
  refuse "port 53" "in use: $(printf '%s, ' "${taken[@]}" | sed 's/, $//')" "port 53 of $SERVER and 127.0.0.1 free for BIND" \
    "on $HOST_NAME: stop that service, or let it listen elsewhere; or set dns.host to another machine"
fi
