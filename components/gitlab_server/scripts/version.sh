# shellcheck shell=bash
# Refuses, before the running container is touched, what GitLab does not support: a way back, and an upgrade that skips a
# required stop (https://docs.gitlab.com/update/upgrade_paths). WANTED is the version of gitlab.image; prints it.
set -euo pipefail

# Up to 17.3 by name; since 17.5, X.2, X.5, X.8 and X.11 of every major version.
stops=("15 11" "16 3" "16 7" "16 11" "17 3")

# number VERSION: major and minor as one number, to compare.
number() {
  local major minor
  IFS=. read -r major minor _ <<<"$1"
  printf '%d' $((10#$major * 1000 + 10#$minor))
}

# The version that last configured the data: GitLab writes it there itself.
running=$(sed -n 's/^\([0-9]*\.[0-9]*\.[0-9]*\).*/\1/p' "$DATA/data/gitlab-rails/VERSION" 2>/dev/null | head -n 1 || true)

if [ -n "$running" ]; then
  if [ "$running" != "$WANTED" ] && [ "$(printf '%s\n%s\n' "$running" "$WANTED" | sort -V | tail -n 1)" = "$running" ]; then
    fail "data of GitLab $running in $DATA, and gitlab.image with $WANTED" "GitLab $running or later: its data know no way back" \
      "set gitlab.image to version $running, or restore a backup of $WANTED (docs/operations.md)"
  fi
  for ((major = 17; major <= ${WANTED%%.*}; major++)); do
    for minor in 2 5 8 11; do
      if ((major > 17 || minor >= 5)); then stops+=("$major $minor"); fi
    done
  done
  for stop in "${stops[@]}"; do
    stop=${stop/ /.}
    if (($(number "$running") < $(number "$stop") && $(number "$stop") < $(number "$WANTED"))); then
      fail "an upgrade of GitLab from $running to $WANTED, past its required stop $stop" "one stop after the other" \
        "set gitlab.image to the last patch release of $stop, run pulumi up, wait until the background migrations have ended (docs/operations.md), then set the next version"
    fi
  done
fi
printf '%s\n' "$WANTED"
