# shellcheck shell=bash
# Our options and keys go, and of what the engine has just what the stack made, pulled or built. The engine goes too where it came
# with the stack and nothing of anybody else's is left in it, and with it everything that it put into the kernel.
# DOMAIN is the platform's; CONTAINERS are the stack's by name, MOUNTS the directories that some of them have.
set -euo pipefail

dropin=/etc/systemd/system/docker.service.d/auto-devops.conf
live_restore=/usr/local/sbin/auto-devops-docker-live-restore
config=/etc/docker/daemon.json
images=/usr/local/sbin/auto-devops-docker-images records="$STATE/docker-images"

settle docker
rm -f /etc/systemd/system/nftables.service.d/auto-devops-docker.conf /usr/local/sbin/auto-devops-docker-rules
remove_empty /etc/systemd/system/nftables.service.d
remove_units auto-devops-docker-plain.socket auto-devops-docker-plain.service
if [ -x "$live_restore" ]; then "$live_restore" give-back; fi

# An engine that was never asked what it has (see install.sh): nothing there is the stack's, and it runs on as it does.
if [ -e "$STATE/docker-unseen" ]; then
  remove_packages docker
  remove_packages docker-options
  rm -f "$records/first" "$STATE"/docker-{before,log-driver,unseen}
  exit 0
fi

# Those who do not know yet (a release before this one began here) leave what they cannot know.
ip_forward='' forward_policy=unknown group='' key=no directories='' enabled=yes active=yes
if [ -r "$STATE/docker-before" ]; then
  # shellcheck source=/dev/null
  . "$STATE/docker-before"
fi

answers() { command -v docker >/dev/null && timeout 60 docker info >/dev/null 2>&1; }

# data_root: where the engine keeps what it has.
data_root() { { cat /etc/docker/auto-devops/daemon.json 2>/dev/null || cat "$config" 2>/dev/null || true; } |
  jq -r '."data-root" // empty' 2>/dev/null | grep . || echo /var/lib/docker; }

# made_by_the_stack CONTAINER: one of its names, and in its network or with one of its directories. A name alone may have
# been taken by somebody since.
made_by_the_stack() {
  local used place
  # shellcheck disable=SC2153 # a variable of the script
  case " $CONTAINERS " in *" $1 "*) ;; *) return 1 ;; esac
  used=$(docker inspect --type container --format '{{range $name, $_ := .NetworkSettings.Networks}}{{println $name}}{{end}}{{range .Mounts}}{{println .Source}}{{end}}' "$1")
  for place in auto-devops $MOUNTS; do
    if grep -xF -- "$place" <<<"$used" >/dev/null; then return 0; fi
  done
  return 1
}

# remove_made: what Pulumi lost track of, such as a container whose creation was interrupted.
remove_made() {
  local name
  while read -r name; do
    if made_by_the_stack "$name"; then docker rm --force --volumes "$name" >/dev/null; fi
  done < <(docker ps --all --format '{{.Names}}')
  while read -r name; do
    if [ "$name" = auto-devops ]; then remove_unused network "$name"; fi
  done < <(docker network ls --format '{{.Name}}')
  while read -r name; do
    case "$name" in auto-devops-registry | auto-devops-cache-*) remove_unused volume "$name" ;; esac
  done < <(docker volume ls --quiet)
}

# take_images: those of the stack's, from an engine that stays.
take_images() {
  # Before there are these records, nothing was pulled; without Docker nothing is there any more.
  if [ ! -x "$images" ] || [ ! -e "$records/domain" ] || ! command -v docker >/dev/null; then return 0; fi
  if ! answers; then
    fail "an engine that does not answer" "docker info to work, so that the stack's images can go" \
      "on $(hostname): systemctl start docker; then run pulumi destroy again"
  fi
  if ! "$images" all; then
    fail "images of the stack's that cannot be removed (the reason is above)" "docker image rm to work" \
      "on $(hostname): mend it, then run pulumi destroy again"
  fi
}

# unsaved_images: names of images that are neither the stack's nor anywhere else to be had. GitLab Runner may load its
# helper from a file of its own.
unsaved_images() {
  # An engine that stores images in containerd knows a digest of each, also of those that were built here.
  local known=yes names
  names=$(sed -E 's#^docker\.io/(library/)?##' "$records/names" 2>/dev/null | tr '\n' ' ' || true)
  if docker info --format '{{.DriverStatus}}' | grep io.containerd.snapshotter >/dev/null; then known=no; fi
  docker image ls --quiet --no-trunc | sort -u |
    xargs --no-run-if-empty docker image inspect --format '{{join .RepoTags " "}}|{{join .RepoDigests " "}}' |
    awk -F '|' -v domain="${DOMAIN:-}" -v known="$known" -v names=" $names " '
      function of_the_platform(name,  host) {
        host = name; sub(/\/.*/, "", host); sub(/:[0-9]+$/, "", host)
        return domain != "" && (host == "registry." domain || host == "gitlab." domain) || index(names, " " name " ")
      }
      {
        n = split($2, digests, " ")
        for (i = 1; i <= n; i++) if (known == "yes" && !of_the_platform(digests[i])) next
        n = split($1, tags, " ")
        for (i = 1; i <= n; i++) if (!of_the_platform(tags[i]) && tags[i] !~ /gitlab-runner-helper/) print tags[i]
      }'
}

# in_containerd: namespaces of containerd's that others use: those with containers or images, but the engine's own.
in_containerd() {
  local namespaces namespace used
  command -v ctr >/dev/null || return 0
  namespaces=$(ctr namespaces list -q) || return 1
  for namespace in $namespaces; do
    case "$namespace" in moby | plugins.moby) continue ;; esac
    used=$(ctr -n "$namespace" containers list -q && ctr -n "$namespace" images list -q) || return 1
    if [ -n "$used" ]; then printf '%s\n' "$namespace"; fi
  done
}

# left: what of somebody else's is in the engine, as a phrase. An engine that does not tell has something.
left() {
  local containers volumes networks images namespaces
  containers=$(docker ps --all --format '{{.Names}}') || return 1
  volumes=$(docker volume ls --quiet) || return 1
  networks=$(docker network ls --filter type=custom --format '{{.Name}}') || return 1
  images=$(unsaved_images) || return 1
  namespaces=$(in_containerd) || return 1
  phrase containers "$containers"
  phrase volumes "$volumes"
  phrase networks "$networks"
  phrase images "$images"
  phrase "containerd's namespaces" "$namespaces"
}

# phrase KIND NAMES: "KIND a b; ", or nothing.
phrase() {
  if [ -n "$2" ]; then printf '%s %s; ' "$1" "$(sort -u <<<"$2" | tr '\n' ' ' | sed 's/ $//')"; fi
}

# has_our_options: whether the engine that runs was started by our drop-in.
has_our_options() { grep -aF -- /auto-devops/daemon.json "/proc/$(systemctl show -p MainPID --value docker)/cmdline" >/dev/null 2>&1; }

# take_ours_out: the engine runs on by its own file and unit, and its containers with it.
take_ours_out() {
  local running=no hold=no
  # The engine that runs has live-restore by our options; the next one would stop the containers without. One that runs without
  # them goes on: no run of ours has come as far, or a removal is going on.
  if systemctl -q is-active docker && has_our_options; then running=yes; fi
  if [ "$running" = yes ] && [ -x "$live_restore" ] && command -v jq >/dev/null && answers &&
    [ "$(docker info --format '{{.LiveRestoreEnabled}}')" = true ] && [ -n "$(docker ps -q)" ] &&
    { [ ! -s "$config" ] || [ "$(jq 'has("live-restore")' "$config")" != true ]; }; then
    hold=yes
    "$live_restore" write true
  fi
  rm -f "$dropin"
  systemctl daemon-reload
  if [ "$running" = yes ] && ! systemctl restart docker; then
    if [ "$hold" = yes ]; then "$live_restore" give-back; fi
    fail "an engine that does not start without the stack's options" "systemctl is-active docker" \
      "on $(hostname): journalctl -u docker -n 20; mend $config; then run pulumi destroy again"
  fi
  if [ "$hold" = yes ]; then
    "$live_restore" write false
    "$live_restore" reload false || say "the engine of $(hostname) keeps live-restore until it restarts"
    "$live_restore" give-back
  fi
  if [ "$came" = no ] && [ "$enabled" = no ]; then systemctl disable -q docker; fi
  if [ "$came" = no ] && [ "$active" = no ]; then systemctl stop docker; fi
  forget_options
}

# forget_options: what only we have, but for what was before: a removal that goes on needs that until its end.
forget_options() {
  rm -f "$dropin" "$live_restore" "$images" /usr/local/sbin/auto-devops-docker-options "$STATE/docker-log-driver" "$STATE/started/docker"
  remove_empty /etc/systemd/system/docker.service.d
  rm -rf /etc/docker/auto-devops "$records"
}

# gone_unless_before DIRECTORY...: removes those that are empty and were not there before us.
gone_unless_before() {
  local path
  for path in "$@"; do
    case " $directories " in *" $path "*) ;; *) remove_empty "$path" ;; esac
  done
}

# remove_engine_rules: the chains that engines make, by their names (moby v20.10.24 and v28.3.3, libnetwork), and the rules that
# lead there or name the engine's bridge in the chains that it adds to. Those of other networks went with the networks.
remove_engine_rules() {
  local user='-USER|'
  # In DOCKER-USER others put rules of their own.
  if iptables-save 2>/dev/null | grep '^-A DOCKER-USER ' | grep -vx -e '-A DOCKER-USER -j RETURN' >/dev/null; then
    user=''
    say "leaving the firewall's chain DOCKER-USER on $(hostname), which has rules of somebody else's"
  fi
  local chain="DOCKER(${user}-ISOLATION-STAGE-1|-ISOLATION-STAGE-2|-ISOLATION|-INGRESS|-FORWARD|-CT|-BRIDGE|)"
  remove_rules -E "^:$chain |^-A $chain |^-A .* -[jg] $chain( |\$)|^-A (FORWARD|PREROUTING|POSTROUTING|OUTPUT) .*-[io] docker0( |\$)"
}

# give_back_policy: the engine closes the way between networks when it makes the kernel forward. What has rules of its own there
# now, such as ufw, may rely on that.
give_back_policy() {
  local rules wanted=${forward_policy:-ACCEPT} # before there was iptables the kernel let everything pass
  case "$wanted" in DROP | unknown) return 0 ;; esac
  if ! command -v iptables >/dev/null; then return 0; fi
  if ! rules=$(iptables -w -S FORWARD); then
    fail "a firewall that cannot be read (the reason is above)" "iptables -S FORWARD to list its rules" \
      "on $(hostname): mend it, then run pulumi destroy again"
  fi
  if grep -x -e "-P FORWARD $wanted" <<<"$rules" >/dev/null; then return 0; fi
  if grep '^-A' <<<"$rules" | grep -vx -e '-A FORWARD -j DOCKER-USER' >/dev/null; then
    say "leaving the firewall's policy for FORWARD on $(hostname), which was $wanted: somebody has rules there now"
  else
    iptables -w -P FORWARD "$wanted"
  fi
}

# sets_forwarding: whether a file of the machine's wants the kernel to forward.
sets_forwarding() {
  grep -qsE '^[[:space:]]*net[./]ipv4[./]ip_forward[[:space:]]*=[[:space:]]*1' /etc/sysctl.conf /etc/sysctl.d/*.conf \
    /run/sysctl.d/*.conf /usr/local/lib/sysctl.d/*.conf /usr/lib/sysctl.d/*.conf
}

# stays: what was before the stack says nothing of the engine that is here now, nor in a removal that goes on.
stays() {
  enabled=yes active=yes
  if [ -e "$STATE/docker-before" ]; then printf 'enabled=yes\nactive=yes\n' >>"$STATE/docker-before"; fi
}

came=no others='' configured=no containerd=no going="$STATE/docker-going"
root=$(data_root)
if installed docker-ce; then
  # In place of the one that came with the stack, perhaps: what was before the stack says nothing of it.
  if came_with_us docker docker.io; then stays; fi
  rm -f "$going"
elif [ -r "$going" ]; then
  # A removal that was interrupted goes on.
  came=yes
  # shellcheck source=/dev/null
  . "$going"
else
  if came_with_us docker docker.io; then came=yes; fi
  if came_with_us docker containerd && ! installed containerd.io; then containerd=yes; fi
  if grep -qx 'docker\.io.* configured' "$STATE/packages/docker" 2>/dev/null; then configured=yes; fi
  if [ "$came" = yes ] && ! answers && [ -d "$root/containers" ]; then
    systemctl start docker 2>/dev/null || true
    await 30 "the Docker engine" answers || true
  fi
fi
# Also where one goes on: the engine may have been used since.
if answers; then
  remove_made
  # Data that was there before the engine stays where it is, so it may lose the engine again.
  if ! adopted "$root"; then others=$(left) || others="what the engine does not tell; "; fi
elif [ -n "$(find "$root/containers" "$root/volumes" -mindepth 1 -maxdepth 1 -type d -print -quit 2>/dev/null)" ] && ! adopted "$root"; then
  if command -v docker >/dev/null; then others="an engine that does not answer"; else others="an engine without the docker command"; fi
  others="$root, in which $others has containers or volumes; "
elif [ ! -e "$going" ] && [ -n "$(find "$root/image" -path '*/imagedb/content/*/*' -type f -print -quit 2>/dev/null)" ] && ! adopted "$root"; then
  others="$root, in which an engine that does not answer has images; "
fi

if [ "$came" = no ] || [ -n "$others" ]; then
  # One of ours that does not answer stays as it is, as is said below.
  if [ "$came" = no ] || answers; then take_images; fi
  take_ours_out
  if [ "$came" = no ]; then
    remove_packages docker
  else
    say "leaving Docker on $(hostname), with what is not the stack's: ${others%; }. Without need of it, there:" \
      "docker rm, docker volume rm, docker image rm; then apt-get purge docker.io && rm -rf $root"
    stays
    with_lists rm -f "$STATE/packages/docker"
  fi
  remove_packages docker-options
  rm -f "$STATE/docker-before" "$going"
  exit 0
fi

printf 'configured=%s containerd=%s root=%q\n' "$configured" "$containerd" "$root" >"$going.new"
mv "$going.new" "$going"
if adopted "$root" && answers; then docker ps --quiet | xargs --no-run-if-empty docker stop >/dev/null; fi
stop_units docker.socket docker.service
if [ "$containerd" = yes ]; then stop_units containerd.service; fi

if ip link show docker0 >/dev/null 2>&1; then ip link delete docker0; fi
remove_engine_rules
give_back_policy
if [ "$ip_forward" = 0 ] && ! sets_forwarding; then printf 0 >/proc/sys/net/ipv4/ip_forward; fi

# Debian's docker.io, when purged, removes all of /var/lib/docker by a script that its removal left there (docker.io
# 20.10.24+dfsg1, prerm and postrm). So it is removed first, the script goes, and then its configuration does.
keep_its_configuration() {
  local list="$STATE/packages/docker"
  sed 's/^docker\.io$/docker.io configured/' "$list" >"$list.new"
  mv "$list.new" "$list"
}
if [ -e "$STATE/packages/docker" ]; then with_lists keep_its_configuration; fi
remove_packages docker
if there docker.io; then
  systemctl start docker # somebody needs it, as remove_packages has said
else
  rm -f /var/lib/docker/nuke-graph-directory.sh
  # shellcheck disable=SC2034 # for apt_remove
  log=$(mktemp)
  if [ "$configured" = no ]; then apt_remove purge docker.io; fi
  if ! adopted "$root"; then
    # Just what dockerd makes (moby v20.10.24 to v28.3.3).
    for part in builder buildkit containerd containers engine-id image network nri plugins rootfs runtimes swarm tmp tmp-old trust \
      volumes aufs btrfs devicemapper fuse-overlayfs overlay overlay2 vfs zfs; do
      if [ -d "$root/$part" ]; then remove_tree "$root/$part"; else rm -f "$root/$part"; fi
    done
    gone_unless_before "$root"
  fi
  if [ "$key" = no ]; then rm -f /etc/docker/key.json; fi
  rm -rf /run/docker /run/docker.sock
  if [ "$group" = no ] && getent group docker >/dev/null; then
    if [ -n "$(getent group docker | cut -d: -f4)" ]; then
      say "leaving the group docker on $(hostname), which has members"
    else
      groupdel docker
    fi
  fi
fi
if [ "$containerd" = yes ] && ! there containerd; then
  if ! adopted /var/lib/containerd; then empty_tree /var/lib/containerd; fi
  rm -rf /run/containerd
  gone_unless_before /var/lib/containerd /etc/cni/net.d /etc/cni
fi
forget_options
systemctl daemon-reload
gone_unless_before /etc/docker
remove_packages docker-options
rm -f "$STATE/docker-before" "$going"
