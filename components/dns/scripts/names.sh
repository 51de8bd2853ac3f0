# shellcheck shell=bash
# This machine resolves the platform's names, for which somebody else answers. NAMES are "name=address" of all of them; WAIT is how
# many seconds they are waited for.
set -euo pipefail

# `*` is asked for as a label that no other record has (settings/dns.py), and a machine without IPv6 asks for its addresses, too.
asked_for() { printf '%s\n' "${1/#\*/auto-devops-any}"; }
found() {
  local database=ahostsv4
  case "$2" in *:*) database=ahostsv6 ;; esac
  getent "$database" "$(asked_for "$1")" | awk '{ print $1 }' | sort -u
}
resolves() { found "$1" "$2" | grep -xF -- "$2" >/dev/null; }

start=$SECONDS
for pair in $NAMES; do
  name=${pair%%=*} address=${pair#*=}
  if await $((WAIT - SECONDS + start > 1 ? WAIT - SECONDS + start : 1)) "$name to resolve to $address" resolves "$name" "$address"; then continue; fi
  said=$(found "$name" "$address" | tr '\n' ' ' || true)
  fail "$name, for which $(hostname) finds ${said:-nothing }" \
    "$address; many resolvers drop public records with private addresses (rebinding protection), and remember an absence for a while" \
    "on $(hostname): getent ahosts $(asked_for "$name"); let its resolver pass the platform's domain, or have a name server of the platform's own: pulumi config set --path auto-devops:dns.host NAME"
done
