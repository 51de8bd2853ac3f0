# shellcheck shell=bash
# The machine is usable: root, a supported system, systemd as its first process, room where everything writes, nothing
# half-installed. HOST_NAME is the machine's name in the settings, SSH_PORT the port
# that this came in by.
set -euo pipefail

if [ "$(id -u)" = 0 ]; then ok user root; else
  refuse user "$(id -un)" "root, or a user with passwordless sudo" "set hosts.$HOST_NAME.user"
fi

# Releases that the stack has been tried on (Debian) or whose differences have tests (Ubuntu); others may lack a package, or
# name it otherwise, in the middle of an installation.
# shellcheck source=/dev/null
. /etc/os-release
case "${ID:-} ${VERSION_ID:-}" in
"debian 12" | "debian 13" | "ubuntu 22.04" | "ubuntu 24.04") ok system "$PRETTY_NAME" ;;
*) refuse system "${PRETTY_NAME:-an unknown one}" "Debian 12 or 13, Ubuntu 22.04 or 24.04" "install one of them on $HOST_NAME" ;;
esac
case "$(uname -m)" in
x86_64 | aarch64) ok architecture "$(uname -m)" ;;
*) refuse architecture "$(uname -m)" "x86_64 or aarch64" "choose another machine as $HOST_NAME" ;;
esac

if [ -d /run/systemd/system ]; then ok init systemd; else
  refuse init "$(ps -p 1 -o comm= 2>/dev/null || echo unknown)" systemd "boot $HOST_NAME with systemd"
fi

for directory in /var /run /tmp; do
  free=$(free_mib "$directory")
  case "$directory" in
  /var) wanted=2048 fix="df -h /var; make room" ;;
  # What a script comes with: the largest of it are a few megabytes.
  /run) wanted=32 fix="df -h /run; du -xsh /run/*; make room" ;;
  /tmp) wanted=32 fix="df -h /tmp; make room" ;;
  esac
  if ((free >= wanted)); then ok "disk $directory" "$free MiB free"; else
    refuse "disk $directory" "$free MiB free" "at least $wanted MiB" "on $HOST_NAME: $fix"
  fi
done
refuse_noexec /var/lib "programs to run below /var/lib: packages' scripts and containers are there" "$HOST_NAME"

# apt and dpkg lock by fcntl (apt 2.6.1, apt-pkg/contrib/fileutl.cc, GetLock), which /proc/locks tells by inode and process.
# locked FILE: the process that holds FILE's lock; 0 is one of another container.
locked() {
  if [ ! -e "$1" ]; then return 0; fi
  awk -v end=":$(stat -c %i "$1")" '$2 == "POSIX" && substr($6, length($6) - length(end) + 1) == end { print $5; exit }' /proc/locks
}
# Not while somebody's apt is at work.
if [ -z "$(locked /var/lib/dpkg/lock-frontend)" ] && [ -n "$(dpkg --audit 2>/dev/null)" ] && [ "$BEGUN" = no ]; then
  refuse packages "an installation that was interrupted: $(dpkg --audit | awk '/^ / { print $1 }' | tr '\n' ' ')" "dpkg --audit to print nothing" \
    "on $HOST_NAME: dpkg --configure -a"
fi
for lock in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock; do
  holder=$(locked "$lock")
  if ((${holder:-0} > 0)); then
    warn "apt lock" "held by $(cat "/proc/$holder/comm" 2>/dev/null || echo another) (process $holder)" \
      "nobody's; an installation waits for it for up to ten minutes" "on $HOST_NAME: wait for process $holder to end"
    break
  fi
done
if command -v cloud-init >/dev/null && [ "$(timeout 5 cloud-init status 2>/dev/null | awk '$1 == "status:" { print $2 }')" = running ]; then
  warn cloud-init "still at work" "it to have ended; it may install packages and rewrite files" "on $HOST_NAME: cloud-init status --wait"
fi
if [ -e /run/reboot-required ]; then
  warn reboot "pending: $(cat /run/reboot-required.pkgs 2>/dev/null || true)" "none" "on $HOST_NAME: reboot, when it suits you"
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
  refuse "firewall (ufw)" "it refuses the sixth SSH connection in 30 seconds: $limited" \
    "no limit for the computer that runs Pulumi, which opens a connection for each script" \
    "on $(hostname): ufw insert 1 allow proto tcp from ADDRESS to any port $SSH_PORT, with that computer's address"
fi
