# shellcheck shell=bash
# The machine's sshd listens on NEW_PORT too; OLD_PORT stays open until the stack has come in by the new one.
set -euo pipefail
# shellcheck source=components/host/scripts/sshd.sh
. "$FILES/sshd.sh"

# Read whole, not piped to `grep -q`: that ends at the first match, and a ufw with a broken pipe counts as one that has none.
firewall=$(if command -v ufw >/dev/null; then ufw status verbose; fi)
if grep -q '^Default: deny (incoming)' <<<"$firewall" && ! grep -qE "^$NEW_PORT(/tcp)? +ALLOW" <<<"$firewall"; then
  fail "a firewall on $HOST_NAME (ufw) that keeps port $NEW_PORT closed" "port $NEW_PORT open for sshd, which moves there" \
    "on $(hostname): ufw allow $NEW_PORT/tcp"
fi

mapfile -t ports < <({ sshd_ports && printf '%s\n' "$OLD_PORT" "$NEW_PORT"; } | sort -un)
sshd_listen "${ports[@]}"
say "sshd of $HOST_NAME listens on port $NEW_PORT too, and the stack uses that from here on. If it cannot be reached there," \
  "a firewall in between has to let TCP $NEW_PORT through; port $OLD_PORT stays open until it can."
