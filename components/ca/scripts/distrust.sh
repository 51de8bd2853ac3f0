# shellcheck shell=bash
# Takes our certificates out of the system's trust store.
set -euo pipefail

rm -f /usr/local/share/ca-certificates/auto-devops*.crt
log=$(mktemp)
if command -v update-ca-certificates >/dev/null && ! update-ca-certificates --fresh >"$log" 2>&1; then
  tail -n 10 "$log" >&2
  fail "update-ca-certificates --fresh that failed (its last words are above)" "a trust store without the stack's CA" \
    "on $(hostname): update-ca-certificates --fresh --verbose; then run pulumi destroy again"
fi
# An engine of the machine's own keeps what it has read until it starts the next time; its containers might end with a restart.
for engine in docker containerd; do
  if systemctl -q is-active "$engine"; then say "$engine of $(hostname) knows the stack's CA until it restarts"; fi
done
remove_packages ca
