# shellcheck shell=bash
# The machine's copies of the images of ROLE go; those in the registry go with the registry.
set -euo pipefail

# By their names, too: what somebody has built from one of them has its label.
if command -v docker >/dev/null && docker info >/dev/null 2>&1; then
  docker image ls --filter "label=auto-devops.ci-image=$ROLE" --format '{{.Repository}}:{{.Tag}}' | sort -u |
    { grep -F "$REGISTRY/auto-devops/" || true; } | while read -r image; do
    if [[ $image != "$REGISTRY/auto-devops/"* ]] || said=$(docker image rm "$image" 2>&1); then continue; fi
    case "$said" in
    *conflict*) say "leaving $image, which a container of somebody's has: $said" ;;
    *"No such image"*) ;; # another script of the stack's was first
    *) fail "$image that cannot be removed: $said" "docker image rm to work" "on $(hostname): mend it, then run pulumi destroy again" ;;
    esac
  done
fi
