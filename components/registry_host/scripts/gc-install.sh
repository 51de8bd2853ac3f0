# shellcheck shell=bash
# The registry's garbage collection as a timer of systemd, at SCHEDULE.
set -euo pipefail

place_timer registry-gc "$SCHEDULE" registry.garbageCollection.schedule
