# shellcheck shell=bash
# Puts the certificates that came into the system's trust store, the way Debian does it.
set -euo pipefail

install_packages ca ca-certificates openssl

directory=/usr/local/share/ca-certificates
for old in "$directory"/auto-devops*.crt; do
  if [ -e "$old" ] && [ ! -e "$FILES/$(basename "$old")" ]; then
    rm -f "$old"
    CHANGED=yes
  fi
done
for certificate in "$FILES"/*.crt; do
  place "$certificate" "$directory/$(basename "$certificate")" 644
done
untrusted() {
  local certificate
  for certificate in "$FILES"/*.crt; do
    openssl verify -CAfile /etc/ssl/certs/ca-certificates.crt "$certificate" >/dev/null 2>&1 || basename "$certificate"
  done
}

# Not only when a file changed: an earlier run may have been interrupted just after placing them.
if [ "$CHANGED" = yes ] || [ -n "$(untrusted)" ]; then
  update-ca-certificates --fresh >/dev/null 2>&1
  CHANGED=yes
fi
if [ -n "$(untrusted)" ]; then
  fail "$(untrusted | tr '\n' ' ')still not trusted after update-ca-certificates" "the system's store to verify it" \
    "on $(hostname): update-ca-certificates --fresh --verbose"
fi

# Both read the store only when they start. Those that the stack configures are restarted, as containers live on, with
# containerd's shims and the engine's live-restore. Others are not: nobody here asks them to trust the CA yet.
if [ "$CHANGED" = yes ]; then
  if grep -qs '^# Made by auto-devops' /etc/containerd/config.toml; then restart_if_active containerd; fi
  if [ -e /etc/systemd/system/docker.service.d/auto-devops.conf ]; then
    if [ "$(timeout 20 docker info --format '{{.LiveRestoreEnabled}}' 2>/dev/null)" = true ] ||
      { running=$(timeout 20 docker ps -q 2>/dev/null) && [ -z "$running" ]; }; then
      restart_if_active docker
    elif systemctl -q is-active docker; then
      say "the Docker engine of $(hostname) trusts the stack's CA from its next restart on: one now would stop its containers"
    fi
  fi
fi
