# shellcheck shell=bash
# Each of the machine's apt sources answers, asked by apt itself, with its proxies and certificates. Nothing of apt's is
# changed: it prints where it would go, and its own helper fetches that to a directory of ours.
set -euo pipefail

ask() {
  local file=$2 status=0
  timeout 8 /usr/lib/apt/apt-helper -q -o Acquire::Retries=0 -o Acquire::http::Timeout=6 -o Acquire::https::Timeout=6 \
    -o APT::Sandbox::User=root download-file "$1" "$file" >"$file.log" 2>&1 || status=$?
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
