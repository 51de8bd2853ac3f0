# shellcheck shell=bash
# The last of ours on the machine: what the stack remembered there. Everything that was given back is gone from it already.
set -euo pipefail

rm -f /run/lock/auto-devops-*
if [ -d "$STATE" ]; then
  forget_empty
  if [ -d "$STATE" ]; then
    say "leaving on ${HOST_NAME:-this machine}, since something there was not given back: $(find "$STATE" -type f | tr '\n' ' ')"
  fi
fi
