# shellcheck shell=bash
# Docker from the distribution, with our drop-in. TLS_PORT is empty where only this machine itself uses the engine.
set -euo pipefail

directory=/etc/docker/auto-devops
dropin=/etc/systemd/system/docker.service.d/auto-devops.conf

# What an engine changes in the kernel stays after it; so that removal can undo it, remember how it was.
if ! installed docker.io && [ ! -e "$STATE/docker-before" ]; then
  mkdir -p "$STATE"
  {
    printf 'ip_forward=%s\n' "$(cat /proc/sys/net/ipv4/ip_forward)"
    printf 'forward_policy=%s\n' "$(iptables -S FORWARD 2>/dev/null | awk '$1 == "-P" { print $3 }')"
    printf 'group=%s\n' "$(getent group docker >/dev/null && echo yes || echo no)"
  } >"$STATE/docker-before"
fi

packages=(docker.io iptables)
# With AppArmor in the kernel but not its parser, the engine cannot start any container.
if [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ]; then packages+=(apparmor); fi
install_packages docker "${packages[@]}"

if [ -f /etc/docker/daemon.json ]; then
  clashing=$(grep -oE '"(hosts|tls|tlsverify|tlscacert|tlscert|tlskey|registry-mirrors|live-restore|log-opts)"' /etc/docker/daemon.json | tr '\n' ' ' || true)
  if [ -n "$clashing" ]; then
    fail "/etc/docker/daemon.json with $clashing" "these options in the stack's settings only; the engine refuses them in both places" \
      "on $(hostname): remove them from /etc/docker/daemon.json"
  fi
fi

if [ -n "$TLS_PORT" ]; then
  mkdir -p "$directory"
  chmod 700 "$directory"
  for file in ca.pem cert.pem key.pem; do place "$FILES/$file" "$directory/$file" 600; done
fi
sed -i "s#@DOCKERD@#$(command -v dockerd)#" "$FILES/docker.service.conf"
place "$FILES/docker.service.conf" "$dropin" 644

# Whether the engine that runs has our options: an earlier run may have been killed just before the restart.
ours() { grep -aF -- --live-restore "/proc/$(systemctl show -p MainPID --value docker)/cmdline" >/dev/null 2>&1; }
if [ "$CHANGED" = yes ] || ! systemctl -q is-active docker || ! ours; then
  systemctl daemon-reload
  systemctl enable -q docker
  if ! systemctl restart docker; then
    journalctl -u docker -n 15 --no-pager -o cat >&2 || true
    fail "an engine that does not start (its log is above)" "systemctl is-active docker" "on $(hostname): systemctl status docker"
  fi
fi

# Plain TCP is a relay to the engine's socket: dockerd itself speaks either TLS or plain text on all its TCP ports.
if [ -e "$FILES/auto-devops-docker-plain.socket" ]; then
  for unit in auto-devops-docker-plain.socket auto-devops-docker-plain.service; do
    place "$FILES/$unit" "/etc/systemd/system/$unit" 644
  done
  systemctl daemon-reload
  systemctl enable -q --now auto-devops-docker-plain.socket
elif [ -e /etc/systemd/system/auto-devops-docker-plain.socket ]; then
  remove_units auto-devops-docker-plain.socket auto-devops-docker-plain.service
fi

if ! await 60 "the Docker engine" docker version; then
  fail "an engine that does not answer" "docker version to work" "on $(hostname): journalctl -u docker"
fi
docker version --format '{{.Server.Version}}'
