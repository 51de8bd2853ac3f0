# shellcheck shell=bash
# GitLab has ended its configuration and answers, by TLS that the CA's certificate proves: the site, the API, the
# registry; and the certificate is the one that was placed. The first start takes minutes. Prints the version.
set -euo pipefail
# shellcheck source=components/gitlab_server/scripts/gitlab.sh
. "$FILES/gitlab.sh"

installed curl || install_packages gitlab curl
need_docker up
if ! said=$(docker version 2>&1); then
  fail "an engine that does not answer: $(tail -n 1 <<<"$said")" "docker version to work" "on $(hostname): systemctl status docker; then run pulumi up again"
fi

# How long the first configuration may take on a slow machine, in seconds.
PATIENCE=1800

inspect() { docker inspect --format "$1" gitlab 2>/dev/null || true; }

# What GitLab says since its last start; its log is not kept for ever, so the configuration's end may be missing.
log() { docker logs --since "$(inspect '{{.State.StartedAt}}')" gitlab 2>&1; }

# explain WHAT: ends with the lines of the log that are most likely to say why.
explain() {
  local lines
  lines=$(log | grep -aiE 'error|fatal|failed|refused|denied|no space|not supported|missing' | tail -n 12 || true)
  [ -n "$lines" ] || lines=$(log | tail -n 12)
  say "the last of GitLab's log that matters:"
  say "${lines:-(it is empty)}"
  fail "$1" "$2" "${3:-on $(hostname): docker logs --tail 200 gitlab; mend what it says, then run pulumi up again}"
}

# Starts over and over, or does not start.
broken() {
  [ -z "$(inspect '{{.Id}}')" ] || { [ "$(inspect '{{.State.Running}}')" != true ] && [ "$(inspect '{{.State.Restarting}}')" != true ]; } ||
    (($(inspect '{{.RestartCount}}') - restarts >= 3))
}

configured() {
  broken && return 0
  [ "$(log | grep -acF 'gitlab Reconfigured!' || true)" -gt 0 ] && return 0
  # Long since started, and its beginning no longer in the log: what runs then is configured.
  (($(date +%s) - $(date -d "$(inspect '{{.State.StartedAt}}')" +%s) > PATIENCE))
}

services() {
  broken && return 0
  docker exec gitlab gitlab-ctl status
}

# answers WANTED PATH [PORT]
answers() {
  broken && return 0
  status=$(ask "$2" "${3:-443}" </dev/null)
  [[ " $1 " == *" $status "* ]]
}

# serves PORT: whether the certificate there is the placed one. nginx goes on with one that it has read before: it is
# of the same CA, so no client complains until it has ended.
serves() {
  broken && return 0
  local way=$ADDRESS:$1
  if [[ $ADDRESS == *:* ]]; then way="[$ADDRESS]:$1"; fi
  [ "$(timeout 20 openssl s_client -connect "$way" -servername "$NAME" </dev/null 2>/dev/null | fingerprint)" = "$placed" ]
}
fingerprint() { openssl x509 -noout -fingerprint -sha256 "$@"; }

status=
placed=$(fingerprint -in "$DATA/config/ssl/$NAME.crt")
restarts=$(inspect '{{.RestartCount}}')
restarts=${restarts:-0}

if ! await $PATIENCE "GitLab to end its configuration" configured || broken; then
  explain "a container of GitLab that does not come up ($(inspect '{{.State.Status}}'), restarted $(inspect '{{.RestartCount}}') times)" \
    "'gitlab Reconfigured!' in its log within $PATIENCE s"
fi
if ! await 300 "GitLab's services to run" services || broken; then
  docker exec gitlab gitlab-ctl status >&2 || true
  explain "services of GitLab that do not run (above)" "gitlab-ctl status to say run for all"
fi
if ! await 600 "https://$NAME/-/readiness" answers 200 "/-/readiness?all=1" || broken; then
  if [ "$status" = 404 ]; then
    explain "404 from https://$NAME/-/readiness" "GitLab to show its health to this machine" \
      "on $(hostname): ip -4 addr show docker0; GitLab shows it to the networks in gitlab.monitoringNetworks"
  fi
  [ "$status" != 000 ] || ask "/-/readiness" </dev/null >/dev/null # says what is wrong with TLS or the way
  explain "$status from https://$NAME/-/readiness?all=1 at $ADDRESS" "200, proved by the stack's CA"
fi
if ! await 300 "GitLab's API" answers "200 401" /api/v4/version || broken; then
  explain "$status from https://$NAME/api/v4/version" "401, as it asks for a token"
fi
if ! await 300 "GitLab's registry" answers "200 401" /v2/ "$REGISTRY_PORT" || broken; then
  explain "$status from https://$NAME:$REGISTRY_PORT/v2/" "401, as it asks for a login"
fi
for port in 443 "$REGISTRY_PORT"; do
  if ! await 120 "GitLab to serve its certificate on port $port" serves "$port" || broken; then
    explain "another certificate at $NAME:$port than in $DATA/config/ssl/$NAME.crt" "nginx to have read the one that was placed" \
      "on $(hostname): docker exec gitlab gitlab-ctl hup nginx; then run pulumi up again"
  fi
done

forget_images
docker exec gitlab cat "$RAILS/VERSION"
