# shellcheck shell=bash
# The runner's configuration, the CA that it checks GitLab against, and the Docker client's certificate for its jobs.
set -euo pipefail

directory=/srv/gitlab-runner

# The runner knows its registrations by the first letters of their tokens, which it fits to what may be a label.
registered() {
  sed -nE -e '/^ *token = /!d' -e 's/^[^"]*"(glrt-)?(t[0-9]_)?(.{0,9}).*$/\3/' \
    -e 's/^([^[:alnum:]].*).$/r\1/' -e 's/[^[:alnum:]]$/r/' -e p "$directory/config.toml"
}
# All that ever were the stack's. Another runner may use the same engine: what that keeps there is none of ours.
remember() {
  mkdir -p "$STATE"
  if [ -e "$directory/config.toml" ]; then registered; fi | cat - "$STATE/runners" 2>/dev/null | sort -u >"$STATE/runners.new" || true
  mv "$STATE/runners.new" "$STATE/runners"
}
remember
if [ ! -d "$directory" ]; then install -d -m 700 "$directory"; fi
place "$FILES/ca.crt" "$directory/certs/ca.crt" 644
place "$FILES/ca.pem" "$directory/docker/ca.pem" 644
place "$FILES/cert.pem" "$directory/docker/cert.pem" 644
place "$FILES/key.pem" "$directory/docker/key.pem" 600
# Last: the runner takes jobs as soon as it reads this.
place "$FILES/config.toml" "$directory/config.toml" 600
remember

# Caches and sources of projects that are gone. One that a job still uses stays, until the next change.
if command -v docker >/dev/null && docker info >/dev/null 2>&1; then
  docker volume ls --quiet --filter name=auto-devops-cache- | { grep '^auto-devops-cache-' | grep -vxFf "$FILES/volumes" || true; } |
    while read -r volume; do
      docker volume rm "$volume" >/dev/null 2>&1 || true
    done
  gone=$(registered | grep -vxFf - "$STATE/runners" || true)
  label=com.gitlab.gitlab-runner.runner.id
  docker volume ls --filter "label=$label" --format "{{.Label \"$label\"}} {{.Name}}" |
    while read -r runner volume; do
      if [ -n "$runner" ] && grep -qxF -- "$runner" <<<"$gone"; then docker volume rm "$volume" >/dev/null 2>&1 || true; fi
    done
fi
