# shellcheck shell=bash
# The runner is gone: what is left of its jobs goes, and its files.
set -euo pipefail

directory=/srv/gitlab-runner known="$STATE/gitlab-runner-ids"
if command -v dockerd >/dev/null; then
  need_docker destroy
  if ! said=$(docker info 2>&1); then
    fail "an engine that does not answer: $(tail -n 1 <<<"$said")" "docker info to work, so that what is left of jobs can go" \
      "on $(hostname): systemctl start docker; then run pulumi destroy again"
  fi
  # The label that GitLab Runner gives to every container, volume and network of a job, here of this runner's (see configure.sh).
  label=com.gitlab.gitlab-runner.runner.id
  for runner in $(cat "$known" 2>/dev/null || true); do
    docker ps --all --quiet --filter "label=$label=$runner" | xargs --no-run-if-empty docker rm --force --volumes >/dev/null
    volumes=$(docker volume ls --quiet --filter "label=$label=$runner")
    networks=$(docker network ls --quiet --filter "label=$label=$runner")
    for volume in $volumes; do remove_unused volume "$volume"; done
    for network in $networks; do remove_unused network "$network"; done
  done
  volumes=$(docker volume ls --quiet --filter name=auto-devops-cache-)
  for volume in $volumes; do
    if [[ $volume == auto-devops-cache-* ]]; then remove_unused volume "$volume"; fi
  done
fi
for file in config.toml certs/ca.crt docker/ca.pem docker/cert.pem docker/key.pem; do give_back "$directory/$file"; done
# The runner's own name for itself, which it makes at its start.
if ! adopted "$directory"; then rm -f "$directory/.runner_system_id"; fi
rm -f "$known"
remove_empty "$directory/certs" "$directory/docker" "$directory"
