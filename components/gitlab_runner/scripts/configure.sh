# shellcheck shell=bash
# The runner's configuration, the CA that it checks GitLab against, and the Docker client's certificate for its jobs.
set -euo pipefail

directory=/srv/gitlab-runner

# ids FILE: the registrations in a configuration of the runner, as it labels what is theirs: by the first letters of their
# tokens, fitted to what may be a label.
ids() {
  sed -nE -e '/^ *token = /!d' -e 's/^[^"]*"(glrt-)?(t[0-9]_)?(.{0,9}).*$/\3/' \
    -e 's/^([^[:alnum:]].*).$/r\1/' -e 's/[^[:alnum:]]$/r/' -e p "$1"
}

if [ ! -d "$directory" ]; then install -d -m 700 "$directory"; fi
place "$FILES/ca.crt" "$directory/certs/ca.crt" 644
place "$FILES/ca.pem" "$directory/docker/ca.pem" 644
place "$FILES/cert.pem" "$directory/docker/cert.pem" 644
place "$FILES/key.pem" "$directory/docker/key.pem" 600
# Whose jobs are this runner's, too (below): those of a configuration that is ours, not of one that was there before us.
former='' before="$STATE/before$directory/config.toml"
if [ -e "$directory/config.toml" ] && ! cmp -s "$directory/config.toml" "$before" && { [ -e "$before" ] || [ -e "$before.none" ] || [ "${LEGACY:-no}" = yes ]; }; then
  former=$(ids "$directory/config.toml")
fi
# Last: the runner takes jobs as soon as it reads this.
place "$FILES/config.toml" "$directory/config.toml" 600

# Caches and sources of projects that are gone. One that a job still uses stays, until the next change.
# All registrations that were ever this runner's are remembered, since somebody else's runner may use the same engine.
registered=$(ids "$directory/config.toml")
known="$STATE/gitlab-runner-ids"
mkdir -p "$STATE"
{ printf '%s\n' "$former" "$registered" && if [ -e "$known" ]; then cat "$known"; fi; } | sed '/^$/d' | sort -u >"$known.new"
mv "$known.new" "$known"
if command -v docker >/dev/null && docker info >/dev/null 2>&1; then
  # The engine's filter is for a part of the name.
  docker volume ls --quiet --filter name=auto-devops-cache- | { grep '^auto-devops-cache-' | grep -vxFf "$FILES/volumes" || true; } |
    while read -r volume; do
      docker volume rm "$volume" >/dev/null 2>&1 || true
    done
  label=com.gitlab.gitlab-runner.runner.id
  docker volume ls --filter "label=$label" --format "{{.Label \"$label\"}} {{.Name}}" |
    while read -r runner volume; do
      if grep -qxF -- "$runner" "$known" && ! grep -qxF -- "$runner" <<<"$registered"; then docker volume rm "$volume" >/dev/null 2>&1 || true; fi
    done
fi
