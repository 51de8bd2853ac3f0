# shellcheck shell=bash
# The commands go; backups stay where they were put.
set -euo pipefail

rm -f /usr/local/sbin/auto-devops-gitlab-backup /usr/local/sbin/auto-devops-gitlab-restore
