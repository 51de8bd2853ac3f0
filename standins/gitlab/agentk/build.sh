#!/usr/bin/env bash
# Puts everything that the Dockerfile copies into the directory given: the agent, built from its Go module.
set -euo pipefail

if [[ $# -ne 1 || ! -d $1 ]]; then
  printf 'build.sh: expected one argument, an existing directory for the build context; got: %s\n' "$*" >&2
  exit 2
fi
context=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")"

CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$context/agentk" .

if [[ ! $context -ef $PWD ]]; then
  cp Dockerfile "$context/"
fi
