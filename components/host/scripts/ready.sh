# shellcheck shell=bash
# The machine is usable, as check.sh has found, and has booted. HOST_NAME is its name in the settings, SSH_PORT the port that
# this came in by.
set -euo pipefail

if ! await 120 "the machine to finish booting" test -S /run/dbus/system_bus_socket; then
  fail "a machine that has not finished booting after two minutes" "systemctl is-system-running to say running" \
    "on $HOST_NAME: systemctl list-jobs"
fi

# An sshd that had moved and is wanted back: it has both ports, and this came in by the one that stays.
# shellcheck source=components/host/scripts/sshd.sh
. "$FILES/sshd.sh"
if [ "$SSHD_MOVES" = no ] && sshd_is_ours && [ "$(sshd_ports | wc -l)" -gt 1 ]; then sshd_listen "$SSH_PORT"; fi

# shellcheck source=/dev/null
. /etc/os-release
printf '%s\n' "$PRETTY_NAME"
