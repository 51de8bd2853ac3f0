# shellcheck shell=bash
# The certificates go, also where the data stay.
set -euo pipefail

give_back "$DATA/config/ssl/$NAME.crt"
give_back "$DATA/config/ssl/$NAME.key"
rm -f "$DATA/config/trusted-certs/auto-devops.crt"
remove_empty "$DATA/config/ssl" "$DATA/config/trusted-certs"
