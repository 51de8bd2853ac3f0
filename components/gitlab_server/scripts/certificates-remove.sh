# shellcheck shell=bash
# The certificates go, also where the data stay.
set -euo pipefail

rm -f "$DATA/config/ssl/$NAME.crt" "$DATA/config/ssl/$NAME.key" "$DATA/config/trusted-certs/auto-devops.crt"
