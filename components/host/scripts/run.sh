#!/usr/bin/env bash
# run.sh NAME STEP: runs one step of the bundle that this file came in, then removes the bundle, which may hold secrets.
# NAME is the resource's; one run of it at a time.
set -euo pipefail
umask 077

bundle=$(cd "$(dirname "$0")" && pwd)
trap 'rm -rf "$bundle"' EXIT
mkdir -p "$bundle/files"
# shellcheck disable=SC2034 # for the steps
FILES="$bundle/files"
# What a step makes for itself goes with the bundle. A trap of its own would replace the one above.
export TMPDIR="$bundle"
# shellcheck source=components/host/scripts/lib.sh
. "$bundle/lib.sh"

# A script goes on when the one who started it is killed. The next run must not work beside it.
exec 7>"/run/lock/auto-devops-$1"
if ! flock -n 7; then
  say "waiting for an earlier run of the same script, which was left alone"
  flock 7
fi

# shellcheck source=/dev/null
. "$bundle/$2.sh"
