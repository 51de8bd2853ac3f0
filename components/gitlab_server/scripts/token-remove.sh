# shellcheck shell=bash
# The token goes: from GitLab too, where its data stays. Where the data goes as well, there is nothing to revoke.
set -euo pipefail
# shellcheck source=components/gitlab_server/scripts/gitlab.sh
. "$FILES/gitlab.sh"

if [ "$KEEP_DATA" = true ] && [ -s "$OWN/token" ] && running; then
  read -r _ _ value <"$OWN/token"
  run_ruby "$FILES/revoke-all.rb" "$value"
fi
rm -f "$OWN/token" "$OWN/token.new"
