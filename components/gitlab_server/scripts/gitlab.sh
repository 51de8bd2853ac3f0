# shellcheck shell=bash
# Functions for the scripts that talk to GitLab's container. DATA is GitLab's directory on this machine, NAME is
# gitlab.<domain>, ADDRESS this machine's.
set -euo pipefail

# What the stack itself keeps beside GitLab's data; root only.
# shellcheck disable=SC2034 # for the scripts
OWN="$DATA/auto-devops"
# shellcheck disable=SC2034 # for the scripts
RAILS=/opt/gitlab/embedded/service/gitlab-rails
CA_FILE="$DATA/config/trusted-certs/auto-devops.crt"

running() { [ "$(docker inspect --format '{{.State.Running}}' gitlab 2>/dev/null)" = true ]; }

# ask URL-PATH [PORT]: the status with which GitLab answers by TLS, checked against the CA and the name, reached by
# address. What standard input has are further options of curl: so that a token is on no command line.
ask() {
  curl -sS -o /dev/null -w '%{http_code}' --max-time 20 --cacert "$CA_FILE" --resolve "$NAME:${2:-443}:$ADDRESS" \
    -K - "https://$NAME:${2:-443}$1" || true
}

# run_ruby FILE TOKEN [EXPIRES [KEPT]]: runs a file of Ruby in GitLab, by standard input, since it has tokens in it.
run_ruby() {
  local ruby log
  ruby=$(<"$1")
  ruby=${ruby//@TOKEN@/$2}
  ruby=${ruby//@EXPIRES@/${3:-}}
  ruby=${ruby//@KEPT@/${4:-none}}
  log=$(mktemp)
  if ! printf '%s\n' "$ruby" | docker exec -i gitlab gitlab-rails runner - >"$log" 2>&1; then
    log=$(tail -n 15 "$log")
    log=${log//$2/[hidden]}
    if [ -n "${4:-}" ]; then log=${log//$4/[hidden]}; fi
    say "$log"
    fail "gitlab-rails runner failed with $(basename "$1") (its last lines are above)" "it to change an administrator's access tokens" \
      "on $(hostname): docker exec gitlab gitlab-ctl status; then run pulumi up again"
  fi
}
