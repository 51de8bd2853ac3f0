# shellcheck shell=bash
# No garbage collection any more.
set -euo pipefail

remove_units auto-devops-registry-gc.timer auto-devops-registry-gc.service
rm -f /usr/local/sbin/auto-devops-registry-gc
