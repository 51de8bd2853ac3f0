# shellcheck shell=bash
# Nobody asks for certificates any more.
set -euo pipefail

remove_units auto-devops-approve-kubelets.timer auto-devops-approve-kubelets.service
rm -f /usr/local/sbin/auto-devops-approve-kubelets
