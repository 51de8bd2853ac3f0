# shellcheck shell=bash
# No garbage collection any more.
set -euo pipefail

remove_timer registry-gc
