# shellcheck shell=bash
# The registry's garbage collection as a timer of systemd.
set -euo pipefail

if ! output=$(systemd-analyze calendar "$SCHEDULE" 2>&1); then
  say "$output"
  fail "the schedule $SCHEDULE" "a calendar expression that systemd understands" \
    "pulumi config set --path auto-devops:registry.garbageCollection.schedule '*-*-* 03:30:00'"
fi
place "$FILES/registry-gc.sh" /usr/local/sbin/auto-devops-registry-gc 755
for unit in auto-devops-registry-gc.service auto-devops-registry-gc.timer; do
  place "$FILES/$unit" "/etc/systemd/system/$unit" 644
done
if [ "$CHANGED" = yes ]; then systemctl daemon-reload; fi
systemctl enable -q auto-devops-registry-gc.timer
if [ "$CHANGED" = yes ] || ! systemctl -q is-active auto-devops-registry-gc.timer; then
  systemctl restart auto-devops-registry-gc.timer
fi
