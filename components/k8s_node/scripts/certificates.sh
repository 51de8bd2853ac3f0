# shellcheck shell=bash
# The control plane's certificates are renewed in time, by a timer of systemd and now. Prints the administrator's kubeconfig,
# which has one of them.
set -euo pipefail

place_timer renew-certificates "$SCHEDULE" kubernetes
if ! /usr/local/sbin/auto-devops-renew-certificates /etc/kubernetes "$STATE" >&2; then
  fail "certificates of the control plane that are not renewed (the reason is above)" "all of them good for months" \
    "on $(hostname): kubeadm certs check-expiration; then run pulumi up again, which goes on"
fi
cat /etc/kubernetes/admin.conf
