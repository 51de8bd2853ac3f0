# shellcheck shell=bash
# The last of ours on the machine: what the stack remembered there, and sshd's new port. Everything that was given back is
# gone from it already.
set -euo pipefail

rm -f /run/lock/auto-devops-*
if [ -d "$STATE" ]; then
  forget_empty
  if [ -d "$STATE" ]; then
    say "leaving on ${HOST_NAME:-this machine}, since something there was not given back: $(find "$STATE" -type f | tr '\n' ' ')"
  fi
fi
if [ -e "$FILES/sshd.sh" ]; then
  # shellcheck source=components/host/scripts/sshd.sh
  . "$FILES/sshd.sh"
  if [ -e "$SSHD_DROPIN" ] || grep -q "^$MARK" "$SSHD_MAIN"; then
    # shellcheck disable=SC2119 # without ports: as it would be without us
    sshd_listen
    say "sshd of ${HOST_NAME:-this machine} listens on $(sshd_ports | tr '\n' ' ')again, as before the stack"
  fi
fi
