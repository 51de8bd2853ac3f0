#!/usr/bin/env bash
# Frees the space of images deleted from the registry. Made by auto-devops; run by auto-devops-registry-gc.timer.
#
# The registry must not take pushes meanwhile (its garbage collector would delete layers that a push has uploaded but not
# yet named), so it is stopped; nginx answers 503 with Retry-After. Usually that is seconds.
set -euo pipefail

container=registry
image=$(docker inspect --format '{{.Image}}' "$container")
# The configuration file's place differs between the registry's versions; the container knows it.
configuration=$(docker inspect --format '{{index .Config.Cmd 0}}' "$container")
environment=$(mktemp)
start() {
  rm -f "$environment"
  docker start "$container" >/dev/null
}
trap start EXIT
docker inspect --format '{{range .Config.Env}}{{println .}}{{end}}' "$container" >"$environment"

docker stop -t 30 "$container" >/dev/null
docker run --rm --volumes-from "$container" --env-file "$environment" --network none "$image" \
  garbage-collect "$@" "$configuration"
