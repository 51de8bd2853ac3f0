# shellcheck shell=bash
# The stack's own access to GitLab's API, made without a browser: a personal access token of an administrator, which lasts DAYS
# days.
# Prints the token. In another PERIOD there is another one; otherwise it is the one that was made before, while it is good.
set -euo pipefail
# shellcheck source=components/gitlab_server/scripts/gitlab.sh
. "$FILES/gitlab.sh"

kept="$OWN/token"

# accepted TOKEN: whether GitLab takes it. Only a clear yes or no counts: while GitLab restarts, it answers otherwise.
accepted() {
  answer=
  if ! await 180 "GitLab's API to answer" answered "$1"; then
    fail "an API of GitLab that answers with ${answer:-nothing} at https://$ADDRESS/api/v4/" "200 or 401" \
      "on $(hostname): docker exec gitlab gitlab-ctl status"
  fi
  [ "$answer" = 200 ]
}
answered() {
  answer=$(printf 'header = "PRIVATE-TOKEN: %s"\n' "$1" | ask /api/v4/personal_access_tokens/self)
  [ "$answer" = 200 ] || [ "$answer" = 401 ]
}

value=
former=
if [ -s "$kept" ]; then
  read -r made_in lasts value <"$kept"
  former=$value
  if [ "$made_in $lasts" != "$PERIOD $DAYS" ]; then
    say "the access token is renewed"
    value=
  elif ! accepted "$value"; then
    say "GitLab refuses the access token of this stack; making another"
    value=
  fi
fi

if [ -z "$value" ]; then
  value=glpat-$(od -An -v -N 20 -t x1 /dev/urandom | tr -d ' \n')
  run_ruby "$FILES/token.rb" "$value" "$(date -u -d "+$DAYS days" +%F)" "$former"
  accepted "$value" || fail "a new access token that GitLab's API refuses" "GET /api/v4/personal_access_tokens/self to answer 200" \
    "look in GitLab's admin area, Settings, General, at what is required of access tokens; then run pulumi up again"
  (umask 077 && printf '%s %s %s\n' "$PERIOD" "$DAYS" "$value" >"$kept.new")
  mv -f "$kept.new" "$kept"
fi
printf '%s\n' "$value"
