# shellcheck shell=bash
# The runner is gone: what is left of its jobs goes, and its files.
set -euo pipefail

if command -v docker >/dev/null && docker info >/dev/null 2>&1; then
  # The labels that GitLab Runner gives to every container, volume and network of a job. Another runner may use the same
  # engine: ours are those that configure.sh remembers.
  label=com.gitlab.gitlab-runner.runner.id
  mkdir -p "$STATE" && touch "$STATE/runners"
  of_ours() { awk 'NR == FNR { ours[$1]; next } NF == 2 && $1 in ours { print $2 }' "$STATE/runners" -; }
  docker ps --all --filter "label=$label" --format "{{.Label \"$label\"}} {{.ID}}" | of_ours |
    xargs --no-run-if-empty docker rm --force --volumes >/dev/null
  for kind in volume network; do
    docker "$kind" ls --filter "label=$label" --format "{{.Label \"$label\"}} {{.Name}}" | of_ours |
      xargs --no-run-if-empty docker "$kind" rm >/dev/null || true
  done
  docker volume ls --quiet --filter name=auto-devops-cache- | { grep '^auto-devops-cache-' || true; } |
    xargs --no-run-if-empty docker volume rm >/dev/null || true
fi
rm -f "$STATE/runners"
directory=/srv/gitlab-runner
rm -rf "$directory/config.toml" "$directory/certs" "$directory/docker" "$directory/.runner_system_id"
if [ -d "$directory" ]; then rmdir --ignore-fail-on-non-empty "$directory"; fi
