# shellcheck shell=bash
# GitLab's data go, unless gitlab.keepData says otherwise. Nothing else in DATA is touched.
set -euo pipefail

if [ "$KEEP_DATA" = true ]; then
  say "leaving GitLab's data in $DATA, as gitlab.keepData says"
  rm -rf "$DATA/auto-devops"
else
  rm -rf "$DATA/config" "$DATA/logs" "$DATA/data" "$DATA/auto-devops"
  rmdir "$DATA" 2>/dev/null || true
fi
rm -f "$STATE/gitlab-data"
forget_empty
