# shellcheck shell=bash
# The token goes: from GitLab too, where its data stays. Where the data goes as well, there is nothing to revoke.
set -euo pipefail
# shellcheck source=components/gitlab_server/scripts/gitlab.sh
. "$FILES/gitlab.sh"

if [ "$KEEP_DATA" = true ] && [ -s "$OWN/token" ]; then
  if running; then
    read -r _ _ value <"$OWN/token"
    run_ruby "$FILES/revoke-all.rb" "$value"
  else
    say "leaving the access token auto-devops in GitLab's data in $DATA, as GitLab does not run: revoke it there (Access tokens, as its owner)"
  fi
fi
rm -f "$OWN/token" "$OWN/token.new"
