# shellcheck shell=bash
# Old images and build cache stay.
set -euo pipefail

remove_units auto-devops-docker-prune.timer auto-devops-docker-prune.service
rm -f /usr/local/sbin/auto-devops-docker-prune
