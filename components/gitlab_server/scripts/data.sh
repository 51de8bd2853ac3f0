# shellcheck shell=bash
# GitLab's directories on this machine, below DATA, for the GitLab called NAME. Never takes another directory than before without
# its content.
set -euo pipefail

remembered="$STATE/gitlab-data"
before=$(cat "$remembered" 2>/dev/null || true)
if [ -n "$before" ] && [ "$before" != "$DATA" ] && [ -d "$before/data" ] && [ ! -d "$DATA/data" ]; then
  fail "GitLab's data in $before, and none in $DATA, which gitlab.dataDirectory names now" "the data to move there first" \
    "on $(hostname): docker stop gitlab && mkdir -p $(dirname "$DATA") && cp -a $before $DATA && mv $before $before.old; then run pulumi up again"
fi

# What is remembered of files there goes with them.
if [ -n "$before" ] && [[ "$DATA/" != "$before"/* && "$before/" != "$DATA"/* ]] && [ -d "$STATE/before$before" ] && [ ! -e "$STATE/before$DATA" ]; then
  mkdir -p "$(dirname "$STATE/before$DATA")"
  mv "$STATE/before$before" "$STATE/before$DATA"
fi

# Before anything is made: from here on it is what this stack has begun, and may take away. A later stack of the same name knows
# by the mark what this one kept; what was adopted is nobody's by that.
mkdir -p "$STATE"
printf '%s\n' "$DATA" >"$remembered"
mkdir -p "$DATA"/config "$DATA"/logs "$DATA"/data "$DATA"/auto-devops
chmod 700 "$DATA/auto-devops"
if ! adopted "$DATA"; then
  printf '%s\n' "$NAME" >"$TMPDIR/mark"
  place "$TMPDIR/mark" "$DATA/.auto-devops" 644
fi
