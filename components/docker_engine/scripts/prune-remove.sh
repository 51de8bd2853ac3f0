# shellcheck shell=bash
# Old images and build cache stay.
set -euo pipefail

remove_timer docker-prune
