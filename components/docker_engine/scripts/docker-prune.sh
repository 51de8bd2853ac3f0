#!/usr/bin/env bash
# docker-prune DAYS STORAGE PATTERN...: frees the engine's disk of what pushes leave. Made by auto-devops; run by
# auto-devops-docker-prune.timer.
#
# Images that came here (by a build or a pull) less than DAYS days ago stay, and so do those that a container has, running
# or not, and those whose name matches a PATTERN. Build cache stays up to STORAGE, what was used last first.
# In an engine that somebody had before the stack only the stack's own images go (docker-images.sh), and the cache is theirs.
set -euo pipefail

days=$1 storage=$2
shift 2
since=$(($(date +%s) - days * 86400))
records=/var/lib/auto-devops
theirs=no
if ! grep -qs '^docker\.io\b' "$records/packages/docker" || [ -s "$records/docker-images/before" ]; then theirs=yes; fi

# kept ID NAME PATTERN...: whether an image stays, whatever its age. By name and not by label: labels are inherited by all
# that is built from an image.
kept() {
  local id=$1 name=$2 pattern
  shift 2
  if grep -qxF "$id" <<<"$used"; then return 0; fi
  for pattern in "$@"; do
    # shellcheck disable=SC2053 # a pattern
    if [[ $name == $pattern ]]; then return 0; fi
  done
  return 1
}

# came ID: when an image came here, as seconds. The engine's own filter goes by when it was made, wherever that was; what the
# engine remembers is when a name was given here, but not by a pull. So its file of the image is asked too.
came() {
  local named stored
  named=$(docker image inspect --format '{{json .Metadata.LastTagTime}}' "$1")
  named=$(date -d "${named//\"/}" +%s 2>/dev/null || echo 0)
  if ! stored=$(stat --format %Y "$store/${1#sha256:}" 2>/dev/null); then
    # An engine that stores images elsewhere (in containerd) remembers pulls.
    stored=$(docker image inspect --format '{{json .Created}}' "$1")
    stored=$(date -d "${stored//\"/}" +%s 2>/dev/null || echo 0)
  fi
  echo $((named > stored ? named : stored))
}

store=$(docker info --format '{{.DockerRootDir}}/image/{{.Driver}}')/imagedb/content/sha256
used=$(docker ps --all --quiet --no-trunc | xargs -r docker inspect --format '{{.Image}}')
removed=0

if [ "$theirs" = yes ]; then
  ours=$(/usr/local/sbin/auto-devops-docker-images ours)
  while IFS=$'\t' read -r kind name id; do
    # What the settings name stays as long as they do.
    if [ -z "$kind" ] || [ "$kind" = named ] || kept "$id" "$name" "$@" || [ "$(came "$id")" -ge "$since" ]; then continue; fi
    if docker image rm "$name" >/dev/null 2>&1; then removed=$((removed + 1)); fi
  done <<<"$ours"
  echo "$removed names of images removed; what else is in this engine is somebody's"
  exit 0
fi

while read -r id repository tag; do
  # Without a name: below.
  if [ "$repository" = '<none>' ] || kept "$id" "$repository:$tag" "$@"; then continue; fi
  if [ "$(came "$id")" -ge "$since" ]; then continue; fi
  # What was pulled by its digest has no tag.
  if [ "$tag" = '<none>' ]; then name=$id; else name=$repository:$tag; fi
  # Never by force: an image that a container has taken meanwhile is refused, and stays.
  if docker image rm "$name" >/dev/null 2>&1; then removed=$((removed + 1)); fi
done < <(docker image ls --no-trunc --format '{{.ID}} {{.Repository}} {{.Tag}}')
echo "$removed names of images removed"

# Stages of builds, and what lost its name to a newer image.
docker image prune --force --filter "until=$((days * 24))h"

# BuildKit's own store. The option was renamed.
bound=--keep-storage
if docker builder prune --help 2>&1 | grep -e --max-used-space >/dev/null; then bound=--max-used-space; fi
docker builder prune --force "$bound" "$storage"
