# shellcheck shell=bash
# Before sshd leaves NEW_PORT again, it is on OLD_PORT as well.
set -euo pipefail
# shellcheck source=components/host/scripts/sshd.sh
. "$FILES/sshd.sh"

mapfile -t ports < <({ sshd_ports && printf '%s\n' "$OLD_PORT" "$NEW_PORT"; } | sort -un)
sshd_listen "${ports[@]}"
