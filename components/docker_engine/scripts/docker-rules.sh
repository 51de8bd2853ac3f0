#!/usr/bin/env bash
# auto-devops-docker-rules: the engine makes its firewall rules anew where somebody has taken them away. Made by auto-devops;
# nftables.service runs it after it has loaded the user's rules.
#
# An engine makes them at its start alone, or when firewalld says so (moby v20.10.24 to v28.3.3, libnetwork/drivers/bridge).
set -euo pipefail

# At a boot it comes later, by itself.
if ! systemctl -q is-active docker; then exit 0; fi
# Its rules are there, or its user does not want any. The second is where Docker 29 has them if it is told to use nftables.
if iptables -w -t nat -n -L DOCKER >/dev/null 2>&1 || nft list table ip docker-bridges >/dev/null 2>&1; then exit 0; fi
if jq -e '.iptables == false' /etc/docker/auto-devops/daemon.json >/dev/null; then exit 0; fi
if [ "$(timeout 20 docker info --format '{{.LiveRestoreEnabled}}')" = true ]; then
  echo "Docker's rules are gone: it restarts to make them anew, and its containers go on"
  systemctl --no-block restart docker
else
  echo "Docker's rules are gone, and a restart, which makes them anew, would stop its containers (live-restore is off): systemctl restart docker"
fi
