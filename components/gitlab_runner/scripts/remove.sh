# shellcheck shell=bash
# The runner is gone: what is left of its jobs goes, and its files.
set -euo pipefail

if command -v docker >/dev/null && docker info >/dev/null 2>&1; then
  # The label that GitLab Runner gives to every container and volume of a job.
  managed=label=com.gitlab.gitlab-runner.managed=true
  docker ps --all --quiet --filter "$managed" | xargs --no-run-if-empty docker rm --force --volumes >/dev/null
  docker volume ls --quiet --filter "$managed" | xargs --no-run-if-empty docker volume rm >/dev/null || true
  docker volume ls --quiet --filter name=auto-devops-cache- | xargs --no-run-if-empty docker volume rm >/dev/null || true
fi
directory=/srv/gitlab-runner
rm -rf "$directory/config.toml" "$directory/certs" "$directory/docker" "$directory/.runner_system_id"
if [ -d "$directory" ]; then rmdir --ignore-fail-on-non-empty "$directory"; fi
