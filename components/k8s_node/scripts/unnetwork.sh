# shellcheck shell=bash
# No pods, no network for them.
set -euo pipefail

remove_units auto-devops-pod-network.service
# The number is network.sh's.
ip route flush proto 144
remove_rules auto-devops-pods
rm -f /usr/local/sbin/auto-devops-pod-network /etc/cni/net.d/10-auto-devops.conflist
