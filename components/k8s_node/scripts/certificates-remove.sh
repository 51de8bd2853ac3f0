# shellcheck shell=bash
# Nobody renews certificates any more.
set -euo pipefail

remove_timer renew-certificates
rm -f "$STATE/kubernetes-certificates"
