# shellcheck shell=bash
# The machine's copies of the images of ROLE go; those in the registry go with the registry.
set -euo pipefail

# By their names, too: what somebody has built from one of them has its label.
if command -v docker >/dev/null && docker info >/dev/null 2>&1; then
  docker image ls --filter "label=auto-devops.ci-image=$ROLE" --format '{{.Repository}}:{{.Tag}}' | sort -u |
    { grep -F "$REGISTRY/auto-devops/" || true; } | while read -r image; do
    if [[ $image == "$REGISTRY/auto-devops/"* ]] && ! docker image rm "$image" >/dev/null; then
      say "leaving $image (the reason is above): somebody has a container of it"
    fi
  done
fi
