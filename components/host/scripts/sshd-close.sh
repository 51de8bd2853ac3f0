# shellcheck shell=bash
# This came in by NEW_PORT, so that works: sshd leaves OLD_PORT.
set -euo pipefail
# shellcheck source=components/host/scripts/sshd.sh
. "$FILES/sshd.sh"

mapfile -t ports < <({ sshd_ports && printf '%s\n' "$NEW_PORT"; } | grep -vx "$OLD_PORT" | sort -un)
sshd_listen "${ports[@]}"
