# shellcheck shell=bash
# Takes our certificates out of the system's trust store.
set -euo pipefail

rm -f /usr/local/share/ca-certificates/auto-devops*.crt
if command -v update-ca-certificates >/dev/null; then
  update-ca-certificates --fresh >/dev/null 2>&1
fi
restart_if_active containerd
# An engine that is still here is somebody's. Where a restart would stop its containers, it forgets the CA with its next one.
if [ "$(timeout 20 docker info --format '{{.LiveRestoreEnabled}}' 2>/dev/null)" = true ] ||
  { running=$(timeout 20 docker ps -q 2>/dev/null) && [ -z "$running" ]; }; then
  restart_if_active docker
elif systemctl -q is-active docker; then
  say "the Docker engine of $(hostname) knows the stack's CA until it restarts: a restart now would stop its containers"
fi
remove_packages ca
