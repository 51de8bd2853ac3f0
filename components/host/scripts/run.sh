#!/usr/bin/env bash
# run.sh STEP: runs one step of the bundle that this file came in, then removes the bundle, which may hold secrets.
set -euo pipefail
umask 077

bundle=$(cd "$(dirname "$0")" && pwd)
# shellcheck disable=SC2034 # for the steps
FILES="$bundle/files"
trap 'rm -rf "$bundle"' EXIT
# shellcheck source=components/host/scripts/lib.sh
. "$bundle/lib.sh"
# shellcheck source=/dev/null
. "$bundle/$1.sh"
