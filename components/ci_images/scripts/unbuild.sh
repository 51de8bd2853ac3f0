# shellcheck shell=bash
# The machine's copies of the images of ROLE go; those in the registry go with the registry.
set -euo pipefail

if command -v docker >/dev/null && docker info >/dev/null 2>&1; then
  docker image ls --filter "label=auto-devops.ci-image=$ROLE" --format '{{.Repository}}:{{.Tag}}' | sort -u | while read -r image; do
    docker image rm "$image" >/dev/null 2>&1 || true
  done
fi
