# shellcheck shell=bash
# Nothing was made, so nothing is left to remove.
set -euo pipefail
