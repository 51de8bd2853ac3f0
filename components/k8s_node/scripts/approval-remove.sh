# shellcheck shell=bash
# Nobody asks for certificates any more.
set -euo pipefail

systemctl disable -q --now auto-devops-approve-kubelets.timer 2>/dev/null || true
rm -f /usr/local/sbin/auto-devops-approve-kubelets \
  /etc/systemd/system/auto-devops-approve-kubelets.service /etc/systemd/system/auto-devops-approve-kubelets.timer
systemctl daemon-reload
