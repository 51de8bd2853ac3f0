# shellcheck shell=bash
# The ports are free again.
set -euo pipefail

for port in $PORTS; do
  remove_units "auto-devops-ingress-$port.socket" "auto-devops-ingress-$port.service"
done
