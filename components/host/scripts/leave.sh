# shellcheck shell=bash
# The last of ours on the machine: what the stack remembered there, and sshd's new port. Everything that was given back is
# gone from it already.
set -euo pipefail

# What run.sh was killed in remembering.
rm -rf "$STATE/removals"/*.new
for removal in "$STATE/removals"/*.old; do
  if [ -d "$removal" ] && [ ! -d "${removal%.old}" ]; then mv "$removal" "${removal%.old}"; fi
done
rm -rf "$STATE/removals"/*.old

# What began and never succeeded, the latest first: the stack itself does not know it.
begun() { find "$STATE/removals" -mindepth 1 -maxdepth 1 -printf '%T@ %f\n' 2>/dev/null | sort -rn | cut -d' ' -f2; }
failed=()
for removal in $(begun); do
  if [ "$removal" = "$RESOURCE" ]; then continue; fi
  # Until 7b9176a it was remembered step by step, the environment last, and nothing was begun before that.
  if [ ! -s "$STATE/removals/$removal/environment" ]; then continue; fi
  say "taking back what $removal began"
  copy=$(mktemp -d)
  cp "$STATE/removals/$removal"/* "$copy"
  # With the variables that the installation had; run.sh removes the copy, and on success what was remembered.
  (
    # shellcheck source=/dev/null
    . "$copy/environment"
    bash "$copy/run.sh" "$removal" remove
  ) || failed+=("$removal")
done
if [ ${#failed[@]} -gt 0 ]; then
  fail "removals that failed (their words are above): ${failed[*]}; they stay remembered in $STATE/removals" "all of them to succeed" \
    "on $(hostname): mend what they name, then run pulumi destroy again"
fi
rm -rf "$STATE/removals" "$STATE/work"

rm -f /run/lock/auto-devops-*
# Bundles of runs that were killed; TMPDIR is our own.
for left in "${TMPDIR%/*}"/auto-devops.??????; do
  if [ "$left" != "$TMPDIR" ]; then rm -rf "$left"; fi
done
if [ -d "$STATE" ]; then
  # Only here, where nothing of ours runs beside it: a directory that has just been made is empty, too.
  find "$STATE" -depth -type d -empty -delete
  if [ -d "$STATE" ]; then
    say "leaving on ${HOST_NAME:-this machine}, since something there was not given back: $(find "$STATE" ! -type d | tr '\n' ' ')"
  fi
fi
if [ -e "$FILES/sshd.sh" ]; then
  # shellcheck source=components/host/scripts/sshd.sh
  . "$FILES/sshd.sh"
  if sshd_is_ours; then
    # shellcheck disable=SC2119 # without ports: as it would be without us
    sshd_listen
    say "sshd of ${HOST_NAME:-this machine} listens on $(sshd_ports | tr '\n' ' ')again, as before the stack"
  fi
fi
