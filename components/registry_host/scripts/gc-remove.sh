# shellcheck shell=bash
# No garbage collection any more.
set -euo pipefail

systemctl disable -q --now auto-devops-registry-gc.timer 2>/dev/null || true
rm -f /etc/systemd/system/auto-devops-registry-gc.service /etc/systemd/system/auto-devops-registry-gc.timer \
  /usr/local/sbin/auto-devops-registry-gc
rm -f /var/lib/systemd/timers/stamp-auto-devops-registry-gc.timer
systemctl daemon-reload
