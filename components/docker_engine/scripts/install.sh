# shellcheck shell=bash
# A Docker engine with the stack's options and keys: the one that is here, or else the distribution's. TLS_PORT is empty where
# only this machine itself uses the engine. IMAGES are names under which the stack pulls. What cannot be used, check.sh has refused.
set -euo pipefail

directory=/etc/docker/auto-devops
dropin=/etc/systemd/system/docker.service.d/auto-devops.conf
live_restore=/usr/local/sbin/auto-devops-docker-live-restore
images=/usr/local/sbin/auto-devops-docker-images records="$STATE/docker-images"

# There until an engine that was here, and could not be asked, has been: until then nothing of it is the stack's (see check.sh).
unseen="$STATE/docker-unseen"
if { installed docker.io || installed docker-ce; } && ! command -v docker >/dev/null && [ ! -e "$dropin" ] &&
  ! came_with_us docker docker.io && ! came_with_us docker.pending docker.io; then
  mkdir -p "$STATE"
  touch "$unseen"
fi

yes_if() { if "$@" >/dev/null 2>&1; then echo yes; else echo no; fi; }

# What an engine changes stays after it; so that removal can undo it, remember how it was: the kernel, the engine's
# directories and group, and of an engine that is here already whether it runs.
if [ ! -e "$dropin" ] && [ ! -e "$records/domain" ]; then
  mkdir -p "$records"
  touch "$records/first"
fi
# From here on containers whose logs are bounded come with the driver for it (see check.sh).
if [ ! -e "$dropin" ] && [ "$BOUNDS_LOGS" = yes ]; then
  mkdir -p "$STATE"
  touch "$STATE/docker-log-driver"
fi
# Of a removal that was interrupted it is there still, and true.
if [ ! -e "$STATE/docker-before" ] && [ ! -e "$dropin" ]; then
  {
    printf 'ip_forward=%s\n' "$(cat /proc/sys/net/ipv4/ip_forward)"
    printf 'forward_policy=%s\n' "$(iptables -S FORWARD 2>/dev/null | awk '$1 == "-P" { print $3 }')"
    printf 'group=%s\n' "$(yes_if getent group docker)"
    printf 'key=%s\n' "$(yes_if test -e /etc/docker/key.json)"
    printf "directories='%s'\n" "$(find /etc/docker /etc/cni /etc/cni/net.d /var/lib/docker /var/lib/containerd -maxdepth 0 -type d 2>/dev/null | tr '\n' ' ')"
    printf 'enabled=%s\n' "$(yes_if systemctl -q is-enabled docker)"
    printf 'active=%s\n' "$(yes_if systemctl -q is-active docker)"
  } >"$STATE/docker-before.new"
  mv "$STATE/docker-before.new" "$STATE/docker-before"
fi

# A restart below finds the user's daemon.json as the user has it, whatever became of an earlier run.
if [ -x "$live_restore" ]; then "$live_restore" give-back; fi

# Of another owner: it goes also where the engine stays.
readable=no
if command -v jq >/dev/null || command -v python3 >/dev/null; then readable=yes; fi
install_packages docker-options jq
# What the check could not read before.
if [ "$readable" = no ] && [ -s /etc/docker/daemon.json ]; then heed "$(dirname "$FILES")/check.sh"; fi

if ! installed docker-ce; then
  packages=(docker.io iptables)
  # With AppArmor in the kernel but not its parser, the engine cannot start any container.
  if [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ]; then packages+=(apparmor); fi
  install_packages docker "${packages[@]}"
fi
# Since Debian 13 the command is a package of its own, which docker.io only recommends.
if ! command -v docker >/dev/null && [ -n "$(apt-cache search --names-only '^docker-cli$')" ]; then
  install_packages docker docker-cli
fi
need_docker up
# A removal that was begun is given up. The configuration that it left of docker.io is none of before us then.
came_unconfigured() {
  local list="$STATE/packages/docker"
  sed '/^docker\.io /s/ configured$//' "$list" >"$list.new"
  mv "$list.new" "$list"
}
if grep -qs '^configured=no ' "$STATE/docker-going" && came_with_us docker docker.io; then with_lists came_unconfigured; fi
rm -f "$STATE/docker-going"
# What is in an engine that was here, which the check could not ask before.
if [ -e "$unseen" ]; then
  heed "$(dirname "$FILES")/check.sh"
  rm -f "$unseen"
fi
mkdir -p "$directory"
chmod 700 "$directory"
keys=()
if [ -n "$TLS_PORT" ]; then
  for file in ca.pem cert.pem key.pem; do
    place "$FILES/$file" "$directory/$file" 600
    keys+=("$directory/$file")
  done
fi
place "$FILES/options.json" "$directory/options.json" 600
place "$FILES/docker-options.sh" /usr/local/sbin/auto-devops-docker-options 755
place "$FILES/docker-live-restore.sh" "$live_restore" 755
place "$FILES/docker-images.sh" "$images" 755
place "$FILES/docker-rules.sh" /usr/local/sbin/auto-devops-docker-rules 755
after_nftables /etc/systemd/system/nftables.service.d/auto-devops-docker.conf -/usr/local/sbin/auto-devops-docker-rules
sed -i "s#@DOCKERD@#$(command -v dockerd)#" "$FILES/docker.service.conf"
place "$FILES/docker.service.conf" "$dropin" 644

# Whether the engine that runs was started by our drop-in.
ours() { grep -aF -- "$directory/daemon.json" "/proc/$(systemctl show -p MainPID --value docker)/cmdline" >/dev/null 2>&1; }
active() { systemctl -q is-active docker; }

# Containers that run on the user's engine live on: before its first restart it learns live-restore, unless its user has said
# the opposite (check.sh has told what that means).
running='' lives=''
if active && ! ours && { ! running=$(docker ps -q) || ! lives=$(docker info --format '{{.LiveRestoreEnabled}}'); }; then
  fail "an engine that does not say what runs in it (the reason is above)" "docker ps and docker info to work: its containers must live on" \
    "on $(hostname): systemctl status docker; then run pulumi up again"
fi
if [ -n "$running" ] && [ "$lives" = false ] &&
  { [ ! -s /etc/docker/daemon.json ] || [ "$(jq 'has("live-restore")' /etc/docker/daemon.json)" != true ]; }; then
  say "the engine of $(hostname) has containers: they go on while it restarts (live-restore)"
  "$live_restore" write true
  if ! "$live_restore" reload true; then
    "$live_restore" give-back
    fail "an engine that does not take up live-restore, so that its containers would be restarted" \
      "docker info to say 'Live Restore Enabled: true' after systemctl reload docker" \
      "on $(hostname): journalctl -u docker -n 20; or stop the containers; then run pulumi up again"
  fi
  "$live_restore" give-back
fi

# One that somebody has started otherwise since has none of what it was started with.
if ! ours; then rm -f "$STATE/started/docker"; fi
systemctl daemon-reload
systemctl enable -q docker
if ! restart_for docker "${keys[@]}" "$directory/options.json" "$dropin"; then
  journalctl -u docker -n 15 --no-pager -o cat >&2 || true
  fail "an engine that does not start (its log is above)" "systemctl is-active docker" "on $(hostname): systemctl status docker"
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
  fail "an engine that does not answer: $(docker version 2>&1 | tail -n 1)" "docker version to work" "on $(hostname): journalctl -u docker"
fi

# What is in the engine before the stack pulls anything, once: its removal takes nothing of that (see docker-images.sh). Where an
# earlier release began, only an engine that came with the stack is known to have had nothing.
mkdir -p "$records"
if [ -e "$records/first" ]; then
  docker image ls --all --quiet --no-trunc | sort -u | xargs -r docker image inspect |
    jq -r '.[] | .Id as $id | (.RepoTags // [] | if . == [] then ["-"] else . end)[] | "\($id) \(.)"' >"$records/before.new"
  mv "$records/before.new" "$records/before"
  rm -f "$records/first"
elif [ ! -e "$records/before" ] && came_with_us docker docker.io && ! adopted "$(docker info --format '{{.DockerRootDir}}')"; then
  : >"$records/before"
fi
# shellcheck disable=SC2153 # a variable of the script
tr ' ' '\n' <<<"$IMAGES" | sed '/^$/d' | sort -u >"$records/wanted"
{ cat "$records/wanted" && if [ -e "$records/names" ]; then cat "$records/names"; fi; } | sort -u >"$records/names.new"
mv "$records/names.new" "$records/names"
printf '%s\n' "$DOMAIN" >"$records/domain"

docker version --format '{{.Server.Version}}'
