#!/usr/bin/env bash
# Puts everything that the Dockerfile copies into the directory given: the registry, built of the Go module that
# go.mod names, and the files beside this script. Go's own cache makes the second build a matter of seconds.
set -euo pipefail

if [[ $# -ne 1 || ! -d $1 ]]; then
  printf 'build.sh: expected one argument, an existing directory for the build context; got: %s\n' "$*" >&2
  exit 2
fi
context=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")"

package=github.com/distribution/distribution/v3
version=$(go list -m -f '{{.Version}}' "$package")
CGO_ENABLED=0 go build -trimpath \
  -ldflags "-s -w -X $package/version.version=${version#v} -X $package/version.mainpkg=$package" \
  -o "$context/registry" .

if [[ ! $context -ef $PWD ]]; then
  cp Dockerfile config.yml entrypoint.sh "$context/"
fi
