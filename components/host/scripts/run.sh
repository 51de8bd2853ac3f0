#!/usr/bin/env bash
# run.sh NAME STEP: runs one step of the bundle that this file came in, then removes the bundle, which may hold secrets.
# NAME is the resource's; one run of it at a time.
set -euo pipefail
umask 077

bundle=$(cd "$(dirname "$0")" && pwd)
trap 'rm -rf "$bundle"' EXIT
mkdir -p "$bundle/files"
# shellcheck disable=SC2034 # for the steps
FILES="$bundle/files" RESOURCE=$1
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

# The removal is remembered before anything is done: the stack knows nothing of a script whose first run fails, so its
# destroy would not run it (leave.sh does then). Without the files, which may be secret and which no removal needs.
removal="$STATE/removals/$1"
if [ "$2" = install ] && [ -e "$bundle/remove.sh" ]; then
  rm -rf "$removal"
  mkdir -p "$removal"
  cp "$bundle/run.sh" "$bundle/lib.sh" "$bundle/remove.sh" "$removal"
  export -p | grep -v '^declare -x TMPDIR=' >"$removal/environment"
fi

# What the script prints is its result, and not the only thing on standard output: a login shell may print before, and a
# session's end after. `printed` in components/host/command.py looks for these lines.
echo "----- output of auto-devops -----"
# In a shell of its own, so that a step may end early.
# shellcheck source=/dev/null
(. "$bundle/$2.sh")
echo "----- end of output -----"

if [ "$2" = remove ]; then
  rm -rf "$removal"
  forget_empty
fi
