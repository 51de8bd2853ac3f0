# shellcheck shell=bash
# The repository of PROJECT (group/name) has a first commit: the one that came with this, if nobody was faster. It asks
# GitLab at ADDRESS, by the name GITLAB, with its certificate checked.
set -euo pipefail

installed curl || install_packages "first-commit-${PROJECT/\//-}" curl

repository="https://$GITLAB/api/v4/projects/${PROJECT/\//%2F}/repository"
answer=$(mktemp)
log=$(mktemp)
# The token is in the configuration file. Prints the status; 000 if there was no answer.
ask() {
  curl -sS --config "$FILES/curl.conf" --connect-to "::$ADDRESS:443" --max-time 120 -o "$answer" -w '%{http_code}' "$@" 2>"$log" ||
    true
}
give_up() {
  fail "$1: $(head -c 500 "$answer")$(cat "$log")" "$2" "$3"
}

status=$(ask "$repository/branches?per_page=1")
case $status in
200) ;;
401) give_up "GitLab does not take the token (401)" "the token of the platform" "pulumi up" ;;
*) give_up "$repository/branches answered $status" "200 from GitLab" "look at https://$GITLAB/-/health, then pulumi up" ;;
esac

if [ "$(tr -d '[:space:]' <"$answer")" != "[]" ]; then
  say "$PROJECT has commits already; they stay as they are"
else
  say "first commit of $PROJECT"
  status=$(ask -X POST -H "Content-Type: application/json" --data-binary "@$FILES/commit.json" "$repository/commits")
  [ "$status" = 201 ] || give_up "$repository/commits answered $status" "201: the commit was made" \
    "mend what GitLab says, or push the files yourself, then pulumi up"
fi
