# shellcheck shell=bash
# Memory for all that the machine is asked to be, PARTS: WANTED MiB, at the very least LEAST of them.
set -euo pipefail

read -r total < <(awk '$1 == "MemTotal:" { print int($2 / 1024) }' /proc/meminfo)
if ((total >= LEAST)); then
  ok memory "$total MiB"
else
  refuse_unless_begun memory "$total MiB" "$WANTED MiB for $PARTS" "give $HOST_NAME more memory, or some of it to another machine"
fi
