# shellcheck shell=bash
# Old images and build cache go by a timer of systemd, at SCHEDULE.
set -euo pipefail

place_timer docker-prune "$SCHEDULE" docker.prune.schedule
