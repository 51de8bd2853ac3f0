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
for part in findings files packages; do
  # shellcheck source=/dev/null
  . "$bundle/$part.sh"
done

removal="$STATE/removals/$1"
# look_back: what this script has begun here, in whichever run, is the stack's.
look_back() {
  local begun
  BEGUN=no
  # A release of this program that remembered less of what was there before it (see placed_by_older).
  LEGACY=no
  # The second is there if a run was killed between the two moves below.
  for begun in "$removal" "$removal.old"; do
    if [ ! -d "$begun" ]; then continue; fi
    # shellcheck disable=SC2034 # for the steps
    BEGUN=yes
    if [ -e "$begun/older" ] || [ ! -e "$begun/files.sh" ]; then LEGACY=yes; fi
    break
  done
}
look_back

# Looking leaves nothing behind, no lock either.
if [ "$2" = check ]; then
  echo # whatever a login shell has printed ends here
  # shellcheck source=/dev/null
  (. "$bundle/check.sh")
  exit
fi

# For what is large: /run, where the bundle is, is a part of the memory. It goes with the bundle, and where that was
# switched off, with the next run.
# shellcheck disable=SC2034 # for the steps
WORK="$STATE/work/$1"

# A script goes on when the one who started it is killed. The next run must not work beside it.
exec 7>"/run/lock/auto-devops-$1"
if ! flock -n 7; then
  say "waiting for an earlier run of the same script, which was left alone"
  flock 7
  look_back
fi
trap 'rm -rf "$bundle" "$WORK"' EXIT
rm -rf "$WORK"

if [ "$2" = install ] && [ -e "$bundle/check.sh" ]; then heed "$bundle/check.sh"; fi

# The removal is remembered before anything is done: the stack knows nothing of a script whose first run fails, so its
# destroy would not run it (leave.sh does then). Without the files, which may be secret and which no removal needs.
if [ "$2" = install ] && [ -e "$bundle/remove.sh" ]; then
  rm -rf "$removal.new"
  mkdir -p "$removal.new"
  find "$bundle" -maxdepth 1 -name '*.sh' ! -name install.sh ! -name check.sh -exec cp -t "$removal.new" {} +
  export -p | grep -av '^declare -x TMPDIR=' >"$removal.new/environment"
  if [ "$LEGACY" = yes ]; then touch "$removal.new/older"; fi
  if [ -d "$removal" ]; then
    rm -rf "$removal.old"
    mv "$removal" "$removal.old"
  fi
  mv "$removal.new" "$removal"
  rm -rf "$removal.old"
fi

# What the script prints is its result, and not the only thing on standard output: a login shell may print before, and a
# session's end after. `printed` in components/host/command.py looks for these lines.
echo "----- output of auto-devops -----"
# In a shell of its own, so that a step may end early.
# shellcheck source=/dev/null
(. "$bundle/$2.sh")
echo "----- end of output -----"

rm -f "$removal/older"
if [ "$2" = remove ]; then
  rm -rf "$removal" "$removal.old" "$removal.new"
fi
