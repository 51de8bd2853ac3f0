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

# GitLab's proxy answers for it while it starts, stops, or has no process free; that passes.
passes() { case $status in 000 | 429 | 502 | 503 | 504) return 0 ;; *) return 1 ;; esac }

# One attempt, to the end or to an answer that passes. The repository is looked at each time: a request whose answer was lost
# may have been heard.
asked='' outcome=''
attempt() {
  asked=$repository/branches
  status=$(ask "$asked?per_page=1")
  if passes; then return 1; fi
  if [ "$status" != 200 ]; then
    outcome=refused
  elif [ "$(tr -d '[:space:]' <"$answer")" != "[]" ]; then
    outcome=there
  elif [ -e "$FILES/unusable" ]; then
    outcome=unusable
  else
    asked=$repository/commits
    status=$(ask -X POST -H "Content-Type: application/json" --data-binary "@$FILES/commit.json" "$asked")
    if passes; then return 1; fi
    if [ "$status" = 201 ]; then outcome=made; else outcome=refused; fi
  fi
}
await "${PATIENCE:-300}" "an answer of $GITLAB about $PROJECT" attempt ||
  give_up "$asked answered $status for ${PATIENCE:-300} s" "an answer of GitLab itself" "look at https://$GITLAB/-/health, then pulumi up"

case $outcome in
made) say "first commit of $PROJECT" ;;
there) say "$PROJECT has commits already; they stay as they are" ;;
unusable)
  fail "an empty repository $PROJECT, and for its first commit $(<"$FILES/unusable")" \
    "the directory in the project's source, or commits" "put the directory in order, or git push; then pulumi up"
  ;;
refused)
  case $asked:$status in
  *:401) give_up "GitLab does not take the token (401)" "the token of the platform" "pulumi up" ;;
  */commits:*) give_up "$asked answered $status" "201: the commit was made" \
    "mend what GitLab says, or push the files yourself, then pulumi up" ;;
  *) give_up "$asked answered $status" "200 from GitLab" "look at https://$GITLAB/-/health, then pulumi up" ;;
  esac
  ;;
esac
