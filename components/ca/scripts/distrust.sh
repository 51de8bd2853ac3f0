# shellcheck shell=bash
# Takes our certificates out of the system's trust store.
set -euo pipefail

rm -f /usr/local/share/ca-certificates/auto-devops*.crt
if command -v update-ca-certificates >/dev/null; then
  update-ca-certificates --fresh >/dev/null 2>&1
fi
restart_if_active containerd docker
remove_packages ca
