# shellcheck shell=bash
# The registry answers by https under its name, with a certificate that this machine trusts. NAME is registry.<domain>.
set -euo pipefail

installed curl || install_packages registry curl

log=$(mktemp)
answers() {
  local status
  status=$(curl -sS -o /dev/null -w '%{http_code}' --max-time 5 --resolve "$NAME:443:$ADDRESS" "https://$NAME/v2/" 2>"$log")
  [ "$status" = "$WANTED" ]
}
if ! await 60 "https://$NAME/v2/" answers; then
  fail "https://$NAME/v2/ not answering with $WANTED: $(cat "$log")" "the registry behind nginx, with a certificate from the stack's CA" \
    "on $(hostname): docker logs nginx; docker logs registry"
fi
forget_images
