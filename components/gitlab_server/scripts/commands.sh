# shellcheck shell=bash
# The commands of this machine: backup and restore.
set -euo pipefail

for command in backup restore; do
  place "$FILES/$command" "/usr/local/sbin/auto-devops-gitlab-$command" 755
done
