# shellcheck shell=bash
# GitLab's data go, unless they were adopted or gitlab.keepData says otherwise. Nothing else in DATA is touched.
set -euo pipefail

if [ "$(cat "$STATE/gitlab-data" 2>/dev/null)" != "$DATA" ]; then exit 0; fi # not begun
if adopted "$DATA"; then
  say "leaving GitLab's data in $DATA, which this stack did not begin"
elif [ "$KEEP_DATA" = true ]; then
  say "leaving GitLab's data in $DATA, as gitlab.keepData says; a stack of the same domain takes them up again"
else
  size=$(du -sh "$DATA" 2>/dev/null | cut -f1 || true)
  say "removing GitLab's data in $DATA: ${size:-an unknown size}"
  for directory in config logs data; do remove_tree "$DATA/$directory"; done
  rm -f "$DATA/.auto-devops"
fi
remove_tree "$DATA/auto-devops"
remove_empty "$DATA/config" "$DATA/logs" "$DATA/data" "$DATA"
rm -f "$STATE/gitlab-data"
