# shellcheck shell=bash
# The machine is usable: a supported system, systemd as its first process, apt, room on the disk, a clock that is right
# enough for certificates. HOST_NAME is the machine's name in the settings, SSH_PORT the one that this came in by.
set -euo pipefail

[ "$(id -u)" = 0 ] || fail "user $(id -un), who is not root" "root, or a user with passwordless sudo" "set hosts.$HOST_NAME.user"

# shellcheck source=/dev/null
. /etc/os-release
case " ${ID:-} ${ID_LIKE:-} " in
*" debian "* | *" ubuntu "*) ;;
*) fail "${PRETTY_NAME:-an unknown system}" "Debian or Ubuntu" "install one of them on $HOST_NAME" ;;
esac

[ -d /run/systemd/system ] || fail "a first process that is not systemd" "systemd" "boot $HOST_NAME with systemd"

if ! await 120 "the machine to finish booting" test -S /run/dbus/system_bus_socket; then
  fail "a machine that has not finished booting after two minutes" "systemctl is-system-running to say running" \
    "on $HOST_NAME: systemctl list-jobs"
fi

free=$(df --output=avail -k /var | tail -n 1)
if ((free < 2 * 1024 * 1024)); then
  fail "$((free / 1024)) MiB free below /var" "at least 2048 MiB" "on $HOST_NAME: df -h /var; make room"
fi

# ufw's limit lets five connections in 30 seconds in, and counts a refused one twice: whoever tries again within ten seconds,
# as the plugin does, is refused for ever (ufw's rules are `recent --set` and then `recent --update --hitcount 6`; Linux'
# xt_recent.c counts at both). A rule before it that lets somebody in is taken to be for the computer that runs Pulumi.
firewall=$(if command -v ufw >/dev/null; then ufw status; fi)
limited=$(awk -v port="$SSH_PORT" '
  $1 != port && $1 != port "/tcp" && $1 != "Anywhere" && !($1 == "OpenSSH" && port == 22) { next }
  / ALLOW / { exit }
  / LIMIT / { $1 = $1; print; exit }' <<<"$firewall")
if [ -n "$limited" ]; then
  fail "a firewall (ufw) that refuses the sixth SSH connection in 30 seconds: $limited" \
    "no limit for the computer that runs Pulumi, which opens a connection for each script" \
    "on $(hostname): ufw insert 1 allow proto tcp from ADDRESS to any port $SSH_PORT, with that computer's address"
fi

# An sshd that had moved and is wanted back: it has both ports, and this came in by the one that stays.
# shellcheck source=components/host/scripts/sshd.sh
. "$FILES/sshd.sh"
if [ "$SSHD_MOVES" = no ] && sshd_is_ours && [ "$(sshd_ports | wc -l)" -gt 1 ]; then sshd_listen "$SSH_PORT"; fi

printf '%s\n' "${PRETTY_NAME}"
