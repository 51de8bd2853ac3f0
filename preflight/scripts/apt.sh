# shellcheck shell=bash
# Each of the machine's apt sources answers, asked by apt itself, with its proxies and certificates. Nothing of apt's is
# changed: it prints where it would go, and its own helper fetches that to a directory of ours.
set -euo pipefail

# fetch URI FILE: what it says is in FILE.log.
fetch() {
  timeout 8 /usr/lib/apt/apt-helper -q -o Acquire::Retries=0 -o Acquire::http::Timeout=6 -o Acquire::https::Timeout=6 \
    -o APT::Sandbox::User=root download-file "$1" "$2" >"$2.log" 2>&1
}

# places URI FILE: where apt goes for URI. Debian's own cloud images have their mirrors in a list, which a method of apt's reads,
# but not for its helper: "Couldn't determine mirror list" (apt 2.6.1 to 3.0.3, methods/mirror.cc). The list's name is what comes
# before /dists/; a line of it is an address and what is known of that (apt-transport-mirror(1)).
places() {
  local list=${1%%/dists/*}
  case "$1" in
  mirror:*/dists/* | mirror+*:*/dists/*) ;;
  *)
    echo "$1"
    return
    ;;
  esac
  case "$1" in
  mirror+file:*) cat "${list#mirror+file:}" ;;
  *)
    list=${list#mirror+}
    if fetch "${list/#mirror:/http:}" "$2"; then cat "$2"; fi
    ;;
  esac 2>>"$2.log" | awk -v rest="/dists/${1#*/dists/}" '{ sub(/#.*/, "") } NF { sub(/\/$/, "", $1); print $1 rest }' | head -n 3
}

# ask URI FILE: whether one of its places has it.
ask() {
  local file=$2 status=1 place
  : >"$file.list.log"
  while read -r place; do
    status=0
    fetch "$place" "$file" || status=$?
    if [ "$status" = 0 ]; then break; fi
  done < <(places "$1" "$file.list")
  if [ ! -e "$file.log" ]; then sed 's/^E*:* */E: /' "$file.list.log" >"$file.log"; fi
  echo "$status" >"$file.status"
}

# A source without InRelease has Release beside it (apt-secure(8)); apt asks in this order.
mapfile -t sources < <(apt-get update --print-uris 2>/dev/null | sed -n "s/^'\([^']*\/InRelease\)'.*/\1/p" | sort -u)
for index in "${!sources[@]}"; do
  (
    ask "${sources[index]}" "$TMPDIR/apt-$index"
    if grep -qE ' 404 ' "$TMPDIR/apt-$index.log"; then ask "${sources[index]%InRelease}Release" "$TMPDIR/apt-$index"; fi
  ) &
done
wait

missing=0
for index in "${!sources[@]}"; do
  if [ "$(<"$TMPDIR/apt-$index.status")" != 0 ]; then missing=$((missing + 1)); fi
done
fix="on $HOST_NAME: apt-get update; see /etc/apt/sources.list and /etc/apt/sources.list.d"
for index in "${!sources[@]}"; do
  site=${sources[index]%/InRelease}
  if [ "$(<"$TMPDIR/apt-$index.status")" = 0 ]; then
    ok "apt source" "$site"
    continue
  fi
  said=$(sed -n 's/^ *E: *//p; s/^ *Err:[0-9]* *//p' "$TMPDIR/apt-$index.log" | tail -n 1)
  found="$site: ${said:-no answer within 8 s}"
  # Of several, one may be left over from somebody's experiments; with none, no package comes at all.
  if [ "$missing" = "${#sources[@]}" ]; then
    refuse_unless_begun "apt source" "$found" "one that answers" "$fix"
  else
    warn "apt source" "$found" "one that answers" "$fix"
  fi
done
if [ ${#sources[@]} = 0 ]; then refuse_unless_begun "apt source" none "at least one" "$fix"; fi
