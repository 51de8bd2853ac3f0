#!/usr/bin/env bash
# Puts everything that the Dockerfile copies into the directory given: the server with its Python packages, Node with
# gitlab-ci-local, and the registry. Packages come from where this machine is set up to get them.
set -euo pipefail

if [[ $# -ne 1 || ! -d $1 ]]; then
  printf 'build.sh: expected one argument, an existing directory for the build context; got: %s\n' "$*" >&2
  exit 2
fi
context=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")"
python=$HOME/.cache/auto-devops/venv/bin/python

# For Debian's Python 3.11, whatever runs here.
machine=$(uname -m)
"$python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --python-version 3.11 \
  --platform "manylinux_2_28_$machine" --platform "manylinux2014_$machine" --platform "manylinux_2_34_$machine" \
  --requirement requirements.txt --target "$context/site-packages"

ci-language/install.sh "$HOME/.cache/auto-devops/ci-language"
rm -rf "$context/ci-language"
cp -r "$HOME/.cache/auto-devops/ci-language" "$context/ci-language"

# The registry's module is that of its own image; the links in registry/ make its version part of this one's key.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
../../images/registry/build.sh "$work"
rm -rf "$context/registry"
mv "$work/registry" "$context/registry"

if [[ ! $context -ef $PWD ]]; then
  mkdir -p "$context/server"
  cp -r assets Dockerfile "$context/"
  cp -r gitlab_standin templates "$context/server/"
  find "$context/server" -name __pycache__ -prune -exec rm -rf {} +
fi
# The version that it says it is, and checks data against, is that of its tag.
version=$(<IMAGE)
version=${version##*:}
echo "${version%-ce.0}" >"$context/server/gitlab_standin/VERSION"
