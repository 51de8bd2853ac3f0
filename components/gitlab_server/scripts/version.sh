# shellcheck shell=bash
# Refuses, before the running container is touched, what GitLab does not support: a way back, an upgrade that skips a
# required stop (https://docs.gitlab.com/update/upgrade_paths), and one while background migrations of the last are under
# way. WANTED is the version of gitlab.image; prints it.
set -euo pipefail
# shellcheck source=components/gitlab_server/scripts/gitlab.sh
. "$FILES/gitlab.sh"

# Up to 17.3 by name; since 17.5, X.2, X.5, X.8 and X.11 of every major version.
stops=("15 11" "16 3" "16 7" "16 11" "17 3")

# number VERSION: major and minor as one number, to compare.
number() {
  local major minor
  IFS=. read -r major minor _ <<<"$1"
  printf '%d' $((10#$major * 1000 + 10#$minor))
}

# The version that last configured the data: GitLab writes it there itself.
version=$(sed -n 's/^\([0-9]*\.[0-9]*\.[0-9]*\).*/\1/p' "$DATA/data/gitlab-rails/VERSION" 2>/dev/null | head -n 1 || true)

if [ -n "$version" ]; then
  if [ "$version" != "$WANTED" ] && [ "$(printf '%s\n%s\n' "$version" "$WANTED" | sort -V | tail -n 1)" = "$version" ]; then
    fail "data of GitLab $version in $DATA, and gitlab.image with $WANTED" "GitLab $version or later: its data know no way back" \
      "set gitlab.image to version $version, or restore a backup of $WANTED (docs/operations.md)"
  fi
  for ((major = 17; major <= ${WANTED%%.*}; major++)); do
    for minor in 2 5 8 11; do
      if ((major > 17 || minor >= 5)); then stops+=("$major $minor"); fi
    done
  done
  for stop in "${stops[@]}"; do
    stop=${stop/ /.}
    if (($(number "$version") < $(number "$stop") && $(number "$stop") < $(number "$WANTED"))); then
      fail "an upgrade of GitLab from $version to $WANTED, past its required stop $stop" "one stop after the other" \
        "set gitlab.image to the last patch release of $stop, run pulumi up, wait until the background migrations have ended (docs/operations.md), then set the next version"
    fi
  done
  # Where a run was interrupted, the container may be of the wanted version already, and has migrations of its own.
  if [ "$version" != "$WANTED" ] && running && [ "$(docker exec gitlab cat "$RAILS/VERSION" || true)" != "$WANTED" ]; then
    say "asking GitLab $version whether its background migrations have ended"
    count="puts Gitlab::Database::BackgroundMigration::BatchedMigration.queued.count"
    left=$(timeout 300 docker exec gitlab gitlab-rails runner "$count" 2>/dev/null | tail -n 1 || true)
    if [[ $left =~ ^[1-9][0-9]*$ ]]; then
      fail "$left background migrations of GitLab $version that have not ended" "none before an upgrade to $WANTED" \
        "wait until this says 0, on $(hostname): docker exec gitlab gitlab-rails runner '$count'; then run pulumi up again"
    fi
    [ "$left" = 0 ] || say "GitLab does not say whether they have; going on, as $WANTED itself refuses what it cannot do"
  fi
fi
printf '%s\n' "$WANTED"
