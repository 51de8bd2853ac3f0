# shellcheck shell=bash
# Our drop-in and keys go; the engine itself too where it came with the stack, with everything it put into the kernel.
set -euo pipefail

settle docker

remove_units auto-devops-docker-plain.socket auto-devops-docker-plain.service
rm -f /etc/systemd/system/docker.service.d/auto-devops.conf
rmdir --ignore-fail-on-non-empty /etc/systemd/system/docker.service.d 2>/dev/null || true
rm -rf /etc/docker/auto-devops
systemctl daemon-reload

if ! came_with_us docker docker.io; then
  restart_if_active docker
  remove_packages docker
  exit 0
fi

# With live-restore containers outlive the engine; what is left of them now is nobody's.
if command -v docker >/dev/null && systemctl -q is-active docker; then
  mapfile -t left < <(docker ps -aq)
  if [ ${#left[@]} -gt 0 ]; then docker rm -f "${left[@]}" >/dev/null; fi
  docker network prune -f >/dev/null
fi
systemctl stop docker.socket docker.service containerd.service 2>/dev/null || true

ip_forward='' forward_policy='' group=''
if [ -r "$STATE/docker-before" ]; then
  # shellcheck source=/dev/null
  . "$STATE/docker-before"
fi
if ip link show docker0 >/dev/null 2>&1; then ip link delete docker0; fi
# Rules that name the engine's chains (DOCKER, DOCKER-USER, ...) or its bridge go, everyone else's stay. Those of other
# networks went with the networks.
remove_rules -wE 'DOCKER|docker0'
if [ -n "$forward_policy" ] && [ "$forward_policy" != DROP ]; then iptables -P FORWARD "$forward_policy"; fi
if [ -z "$forward_policy" ]; then iptables -P FORWARD ACCEPT 2>/dev/null || true; fi
if [ "$ip_forward" = 0 ]; then printf 0 >/proc/sys/net/ipv4/ip_forward; fi

remove_packages docker
if ! installed docker.io; then
  find /var/lib/docker /var/lib/containerd -mindepth 1 -xdev -delete 2>/dev/null || true
  rmdir /var/lib/docker /var/lib/containerd /etc/cni/net.d /etc/cni 2>/dev/null || true
  rm -rf /etc/docker /run/docker /run/docker.sock /run/containerd
  if [ "$group" = no ] && getent group docker >/dev/null; then groupdel docker; fi
fi
rm -f "$STATE/docker-before"
forget_empty
