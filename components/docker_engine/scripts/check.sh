# shellcheck shell=bash
# Whose container runtime is on the machine, and whether the stack can use it: the distribution's Docker and Docker's own are
# used as they are, with the user's daemon.json; everything else is refused by name.
#   HOST_NAME   the machine in the settings
#   TLS_PORT    where the engine is going to listen
#   CONTAINERS, NETWORKS, VOLUMES   names that the stack is going to take in the engine
#   PORTS       those that it is going to publish
#   MOUNTS      directories of the machine that its containers write into
#   IMAGES      what it is going to pull; not looked for, as it may be there already
#   BOUNDS_LOGS yes where its containers have the log options max-size and max-file
set -euo pipefail

config=/etc/docker/daemon.json
dropins=/etc/systemd/system/docker.service.d
here="on $(hostname)"
another="another machine for it in the settings"

# Under another resource's name, as in older stacks, it has begun here, too.
if [ -e "$dropins/auto-devops.conf" ]; then BEGUN=yes; fi
# A run that ended before it could ask the engine has begun nothing there.
# shellcheck disable=SC2153 # run.sh sets it
if [ -e "$STATE/docker-unseen" ]; then BEGUN=no; fi

# Of which package. An interrupted installation of ours counts as none.
engine=''
for package in docker-ce docker.io; do
  if installed "$package"; then engine=$package; fi
done

## What plays Docker, or is one that nobody's package looks after

if installed podman-docker; then
  refuse "docker command" "package podman-docker, by which podman plays Docker" "Docker itself, or no docker command" \
    "$here: apt-get remove podman-docker; or $another"
fi
if [ -e /snap/bin/docker ] || [ -d /var/snap/docker ]; then
  refuse "snap docker" "the snap of Docker, which cannot read what is outside of its directories" "Docker as a package, or none" \
    "$here: snap remove docker (it keeps a snapshot of its data); or $another"
fi
dockerd=$(command -v dockerd || true)
if [ -z "$engine" ] && [ -n "$dockerd" ] && [ "$BEGUN" = no ]; then
  owner=$(dpkg-query -S "$(readlink -f "$dockerd")" 2>/dev/null | cut -d: -f1 | head -n 1 || true)
  refuse "Docker engine" "$dockerd${owner:+ of package $owner}${owner:-, of no package}" "docker.io or docker-ce, or no engine" \
    "$here: remove it; or $another"
fi
rootless=$(ps -C dockerd -o user= 2>/dev/null | awk '$1 != "root"' | sort -u | tr '\n' ' ' || true)
if [ -z "$engine" ] && [ -n "$rootless" ]; then
  refuse "Docker engine" "a rootless one only, of ${rootless% }" "an engine of root's, or none" \
    "$here: dockerd-rootless-setuptool.sh uninstall, as ${rootless% }; or $another"
fi

## No engine: nothing goes for the one that comes, and it finds no data of somebody else's

# options: the user's daemon.json, one option a line: its name, a tab, its value as JSON. Fails where there is no JSON object.
options() {
  if [ ! -s "$config" ]; then return 0; fi
  if command -v jq >/dev/null; then
    jq -r 'if type == "object" then to_entries[] | "\(.key)\t\(.value | tojson)" else error("not an object") end' "$config" 2>&1
  else
    python3 -c 'import json, sys
try: options = json.loads(open(sys.argv[1], encoding="utf-8-sig").read().strip() or "{}").items()
except Exception as error: sys.exit(print(error) or 1)
for name, value in options: print(name, json.dumps(value), sep="\t")' "$config" 2>&1
  fi
}
option() { awk -F '\t' -v name="$1" '$1 == name { gsub(/^"|"$/, "", $2); print $2 }' <<<"$options"; }
readable=yes
if ! options=$(options); then
  if command -v jq >/dev/null || command -v python3 >/dev/null; then
    refuse "$config" "no JSON: $(tail -n 1 <<<"$options")" "an object of dockerd's options" "$here: mend it, or move it away"
  else
    # install.sh brings jq, and looks again before it touches anything else.
    warn "$config" "options that nothing here can read yet" "jq, which the stack brings along to look at them" "$here: apt-get install jq"
  fi
  options='' readable=no
fi
root=$(option data-root)
root=${root:-/var/lib/docker}

if [ -z "$engine" ]; then
  if installed containerd.io; then
    refuse containerd "containerd.io of Docker's own packages, which docker.io would remove" "docker-ce beside it, or neither" \
      "$here: apt-get install docker-ce docker-ce-cli (the stack uses it then), or apt-get remove containerd.io; or $another"
  elif gone=$(would_go docker.io | tr '\n' ' ') && [ -n "$gone" ]; then
    refuse packages "${gone% }, which apt would remove to install docker.io" "no package to go for one of the stack's" \
      "$here: apt-get remove ${gone% }, if nobody needs it; or $another"
  fi
  for directory in "$root" /var/lib/containerd; do
    if [ "$directory" = /var/lib/containerd ] && { installed containerd || installed containerd.io; }; then continue; fi
    if theirs "$directory"; then
      refuse "$directory" "data of an engine that is not installed ($(du -xsh "$directory" 2>/dev/null | cut -f1))" "nothing, or leave to use it" \
        "$here: move it away; or, to use it: pulumi config set --path 'auto-devops:hosts.$HOST_NAME.adopt[0]' $directory"
    fi
  done
else
  # clone3 is what current images' glibc makes threads by: since 20.10.10 the default seccomp profile knows it (moby v20.10.9 and
  # v20.10.10, profiles/seccomp/default_linux.go).
  version=$("$dockerd" --version 2>/dev/null | sed -nE 's/^Docker version ([0-9][0-9.]*).*/\1/p')
  if dpkg --compare-versions "${version:-0}" lt 20.10.10; then
    refuse "Docker engine" "$engine ${version:-of no known version}" "20.10.10 or later: older ones forbid the images of today to make threads" \
      "$here: apt-get install --only-upgrade $engine; or $another"
  else
    ok "Docker engine" "$engine $version, which is used as it is"
  fi
fi

if [ -n "$engine" ] && ! command -v docker >/dev/null; then
  # install.sh brings it, and looks again before it touches anything else.
  warn "docker command" "$engine without it: what is in the engine cannot be looked at yet" "docker-cli, which the stack brings along" \
    "$here: apt-get install docker-cli, or docker-ce-cli with docker-ce"
fi

## A firewall of nftables' beside the engine's rules

lets_pass forward 'docker0|br-' 'iifname "docker0" accept, oifname "docker0" accept, and the same for "br-*": the way of containers' "$HOST_NAME"

## Its unit and its options

if [ "$(systemctl is-enabled docker 2>/dev/null)" = masked ]; then
  refuse docker.service masked "a unit that may be started" "$here: systemctl unmask docker; or $another"
fi
own=$(grep -lsE '^[[:space:]]*ExecStart=.' "${dropins%.d}" "$dropins"/*.conf | grep -vxF "$dropins/auto-devops.conf" | tr '\n' ' ' || true)
if [ -n "$own" ]; then
  refuse docker.service "a command line of its own in ${own% }" "its options in $config, which the stack leaves as it is and adds to" \
    "$here: move them there, remove ExecStart, systemctl daemon-reload"
fi
flags=$(sed -nE 's/^[[:space:]]*DOCKER_OPTS=//p' /etc/default/docker 2>/dev/null |
  grep -oE -- '(^|[[:space:]"'\''])(-H|--host|--tls[a-z]*|--live-restore|--log-opt|--log-driver|--registry-mirror|--config-file|--data-root|-g)\b' |
  tr -d "\"' " | tr '\n' ' ' || true)
if [ -n "$flags" ]; then
  refuse /etc/default/docker "DOCKER_OPTS with ${flags% }" "these in $config: dockerd refuses an option that is a flag as well" \
    "$here: move them there"
fi

if [ "$readable" = yes ]; then
  unix='fd://|unix:///(var/)?run/docker\.sock'
  hosts=$(option hosts | tr -d '[]" ' | tr , '\n' | grep -vxE "$unix|" | tr '\n' ' ' || true)
  if [ -n "$hosts" ]; then
    refuse "$config" "hosts with ${hosts% }" "the engine on its socket, and on port $TLS_PORT with the stack's keys" "$here: take hosts out"
  fi
  tls=$(cut -f1 <<<"$options" | grep '^tls' | tr '\n' ' ' || true)
  if [ -n "$tls" ] && [ -n "$TLS_PORT" ]; then
    refuse "$config" "${tls% }" "the stack's keys for port $TLS_PORT: an engine has one set" "$here: take ${tls% } out"
  fi
  driver=$(option log-driver)
  case "${driver:-json-file}" in
  json-file | local) ;;
  *)
    # GitLab's container names its own driver, unless it is of a release before that. It is the engine's then, when it is made anew.
    if [ "$BOUNDS_LOGS" = yes ] && [ ! -e "$STATE/docker-log-driver" ] && [ -e "$dropins/auto-devops.conf" ]; then
      refuse "$config" "log-driver $driver" "json-file or local: GitLab's log is bounded by max-size, which $driver does not know" \
        "$here: take log-driver out, or give it to your own containers instead; or $another"
    else ok "$config" "log-driver $driver, which is kept"; fi
    ;;
  esac
  if [ -n "$(option userns-remap)" ] && [ -n "$MOUNTS" ]; then
    refuse "$config" "userns-remap" "containers that may write into $MOUNTS" "$here: take it out; or $another"
  fi
fi

## What is in the engine, and on the ports that the stack needs

ask() { timeout 20 docker "$@" 2>/dev/null; }
# silent COMMAND: one whose contents nobody has seen.
silent() {
  refuse "Docker engine" "$engine, which does not answer (docker $1)" "an answer within 20 s: it may have what the stack must not touch" \
    "$here: systemctl start docker; systemctl status docker; or $another"
}
if [ -n "$engine" ] && command -v docker >/dev/null && ! state=$(ask info --format '{{.Swarm.LocalNodeState}} {{.LiveRestoreEnabled}}'); then
  if [ "$BEGUN" = no ] && [ -n "$(find "$root/containers" "$root/volumes" -mindepth 1 -maxdepth 1 -type d -print -quit 2>/dev/null)" ]; then
    silent info
  fi
elif [ -n "$engine" ] && command -v docker >/dev/null; then
  if [ "${state% *}" != inactive ] && [ -n "${state% *}" ]; then
    refuse swarm "an engine in swarm mode" "one without: live-restore, by which containers outlive its restarts, excludes it" \
      "$here: docker swarm leave --force; or $another"
  fi
  if [ "$BEGUN" = no ]; then
    taken() {
      local kind=$1 wanted=$2 names=$3 name
      for name in $names; do
        # shellcheck disable=SC2053 # patterns
        for pattern in $wanted; do
          if [[ $name == $pattern ]]; then
            refuse "$kind $name" "one of somebody else's" "the name to be free for the stack's" "$here: give yours another (docker rename, for a container); or $another"
          fi
        done
      done
    }
    there='' networked='' kept='' running=''
    if ! there=$(ask ps --all --format '{{.Names}}') || ! running=$(ask ps --format '{{.Names}}'); then silent ps; fi
    if ! networked=$(ask network ls --format '{{.Name}}'); then silent "network ls"; fi
    if ! kept=$(ask volume ls --quiet); then silent "volume ls"; fi
    set -f
    taken container "$CONTAINERS" "$there"
    taken network "$NETWORKS" "$networked"
    taken volume "$VOLUMES" "$kept"
    set +f
    running=$(tr '\n' ' ' <<<"$running")
    if [ "$running" != ' ' ]; then
      if [ "$(option live-restore)" = false ]; then
        warn containers "${running% } on an engine with live-restore false, which stops them when it restarts" \
          "a moment in which that does no harm: the engine restarts for the stack's keys now, and at the end" \
          "$here: take live-restore out of $config, and they go on"
      else
        ok containers "${running% }: they go on while the engine restarts for the stack's keys"
      fi
    fi
  fi
fi

if [ "$BEGUN" = no ]; then
  # The machine's sshd makes way for GitLab's, and so does systemd where that listens for it.
  ssh='sshd'
  if systemctl -q is-active ssh.socket; then ssh='sshd|systemd'; fi
  for port in $PORTS; do
    # The kernel's own listeners have no program.
    holder=$(holders t "$port" | awk -v ssh="^($ssh)\$" '$2 != "unknown" && $2 !~ ssh { print $2 }' | sort -u | tr '\n' ' ')
    if [ -n "$engine" ] && command -v docker >/dev/null; then
      published=$(ask ps --filter "publish=$port" --format '{{.Names}}' | tr '\n' ' ' || true)
      if [ -n "$published" ]; then holder="container $published"; fi
    fi
    if [ -n "$holder" ]; then
      refuse "port $port" "in use by ${holder% }" "it to be free for the stack's" "$here: have ${holder% } use another; or $another"
    fi
  done
fi
