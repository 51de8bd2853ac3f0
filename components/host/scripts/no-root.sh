# shellcheck shell=bash
# no-root.sh SAID: this user cannot become root, as sudo SAID; says why and what to do. Runs before anything else does, as that
# user and by standard input alone (see FIRST in shell.py).
set -euo pipefail
user=$(id -un)
file=/etc/sudoers.d/90-auto-devops-$user

# tell FOUND EXPECTED LINE [COMMAND]: LINE is what sudoers lacks, COMMAND what has to come before.
tell() {
  {
    printf 'error on %s: %s\n' "$(hostname)" "$1"
    printf '  expected: %s\n' "$2"
    printf "  fix:      as root on %s: %secho '%s' >>%s\n" "$(hostname)" "${4:-}" "$3" "$file"
  } >&2
  exit 1
}

case ${1:-} in
*"must have a tty"*)
  tell "user $user, whom sudo wants to see at a terminal (requiretty): $1" "sudo without a terminal" \
    "Defaults:$user !requiretty"
  ;;
*"not found"*)
  tell "user $user, who is not root, and no sudo" "sudo, or root in ssh.user" \
    "$user ALL=(ALL) NOPASSWD: ALL" "apt-get install sudo && "
  ;;
*)
  tell "user $user, who may not become root: ${1:-sudo says nothing}" "sudo without a password" \
    "$user ALL=(ALL) NOPASSWD: ALL"
  ;;
esac
