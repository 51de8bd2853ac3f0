#!/usr/bin/env bash
# Puts everything that the Dockerfile copies into the directory given: this computer's Go toolchain, without what only
# Go's own developers need.
set -euo pipefail

if [[ $# -ne 1 || ! -d $1 ]]; then
  printf 'build.sh: expected one argument, an existing directory for the build context; got: %s\n' "$*" >&2
  exit 2
fi
context=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")"

wanted=$(sed 's/.*:\(.*\)-bookworm$/go\1/' IMAGE)
found=$(GOTOOLCHAIN=local go env GOVERSION)
if [[ $found != "$wanted" && $found != "$wanted".* ]]; then
  printf 'build.sh: IMAGE says %s, but this computer has %s: install that Go, or change IMAGE\n' "$wanted" "$found" >&2
  exit 1
fi

mkdir -p "$context/go"
tar -C "$(GOTOOLCHAIN=local go env GOROOT)" --exclude=./test --exclude=./api --exclude=./doc --exclude=testdata \
  --exclude=./pkg/mod -cf - . | tar -C "$context/go" -xf -

if [[ ! $context -ef $PWD ]]; then
  cp Dockerfile "$context/"
fi
