# shellcheck shell=bash
# Tokens of earlier periods are revoked. On its own and late, when the stack's state has the new one: a run that is
# interrupted before that can still be continued, or destroyed, with the old one.
set -euo pipefail
# shellcheck source=components/gitlab_server/scripts/gitlab.sh
. "$FILES/gitlab.sh"

read -r _ _ value <"$OWN/token"
run_ruby "$FILES/revoke.rb" "$value"
