# shellcheck shell=bash
# Functions for the scripts that a Host runs (see run.sh); those are the files beside the components. What belongs to one
# matter is beside it: findings.sh, files.sh, packages.sh.
set -euo pipefail
umask 022
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

# What the stack must remember on the machine to be able to leave it as it was.
STATE=/var/lib/auto-devops

say() { printf '%s\n' "$*" >&2; }

# fail WHAT-WAS-FOUND WHAT-WAS-EXPECTED HOW-TO-FIX
fail() {
  {
    printf 'error on %s: %s\n' "$(hostname)" "$1"
    printf '  expected: %s\n' "$2"
    printf '  fix:      %s\n' "$3"
  } >&2
  exit 1
}

# need COMMAND HOW-TO-FIX: ends the script where there is no such command: what it would have asked is not to blame then.
need() {
  if ! command -v "$1" >/dev/null; then
    fail "no command $1" "$1 to be on $(hostname)'s path" "$2"
  fi
}

# need_docker COMMAND: the docker command, in a package of its own since Debian 13; pulumi COMMAND is what to run again.
need_docker() {
  need docker "on $(hostname): apt-get install docker-cli, or docker-ce-cli with Docker's own packages; then run pulumi $1 again"
}

# restart_if_active UNIT...: restarts those of the units that run; the others, and those not installed, are left alone.
restart_if_active() {
  local unit
  for unit in "$@"; do
    if systemctl -q is-active "$unit"; then systemctl restart "$unit"; fi
  done
}

# restart_for UNIT FILE...: restarts the unit unless it runs with just these files already. What it was started with is
# remembered, so that a run killed between placing a file and the restart is finished by the next one.
restart_for() {
  local unit=$1 started="$STATE/started/$1" files
  shift
  files=$(cat "$@" | sha256sum)
  if systemctl -q is-active "$unit" && [ "$(cat "$started" 2>/dev/null)" = "$files" ]; then return 0; fi
  systemctl restart "$unit" || return 1 # whoever asks for the status has switched off `set -e`
  mkdir -p "$STATE/started"
  printf '%s\n' "$files" >"$started"
}

# stale WHO: notes that WHO goes by a file that is about to change or go, or is stopped for that; refresh WHO COMMAND...: has it
# read what is there now, where that is noted. The note stays until then: a run that is killed in between is finished by the next.
stale() { mkdir -p "$STATE/stale" && touch "$STATE/stale/$1"; }
is_stale() { [ -e "$STATE/stale/$1" ]; }
refresh() {
  local who=$1
  shift
  if ! is_stale "$who"; then return 0; fi
  "$@"
  rm -f "$STATE/stale/$who"
}

# place_timer NAME SCHEDULE SETTING: the program $FILES/NAME.sh is run by systemd at SCHEDULE, which SETTING says, as
# $FILES/auto-devops-NAME.service and .timer have it.
place_timer() {
  local name=auto-devops-$1 output unit
  if ! output=$(systemd-analyze calendar "$2" 2>&1); then
    say "$output"
    fail "the schedule $2" "a calendar expression that systemd understands" \
      "pulumi config set --path auto-devops:$3 '*-*-* 03:30:00'"
  fi
  # shellcheck disable=SC2153 # run.sh sets it
  place "$FILES/$1.sh" "/usr/local/sbin/$name" 755
  for unit in "$name.service" "$name.timer"; do place "$FILES/$unit" "/etc/systemd/system/$unit" 644; done
  if [ "$CHANGED" = yes ]; then systemctl daemon-reload; fi
  systemctl enable -q "$name.timer"
  if [ "$CHANGED" = yes ] || ! systemctl -q is-active "$name.timer"; then systemctl restart "$name.timer"; fi
}

# stop_units UNIT...: for a removal: they run no more. Where there is no such unit there is nothing to stop.
stop_units() {
  local said
  if ! said=$(systemctl stop "$@" 2>&1) && systemctl -q is-active "$@"; then
    fail "$* that does not stop: $said" "systemctl stop $* to end it" "on $(hostname): systemctl status $*; then run pulumi destroy again"
  fi
}

# remove_units UNIT...: stops units of ours, and takes away their files and what systemd remembers of them: when a timer
# last fired, and that a run failed (a machine would count as degraded for a unit that it no longer has).
remove_units() {
  local unit
  for unit in "$@"; do
    systemctl disable -q --now "$unit" 2>/dev/null || true
    # What another unit started is not enabled.
    stop_units "$unit"
    # With the links by which it starts at a boot, also where it could not be disabled any more.
    rm -f "/etc/systemd/system/$unit" /etc/systemd/system/*/"$unit" "/var/lib/systemd/timers/stamp-$unit"
  done
  systemctl daemon-reload
  for unit in "$@"; do systemctl reset-failed "$unit" 2>/dev/null || true; done
}

# remove_timer NAME: the opposite of place_timer.
remove_timer() {
  remove_units "auto-devops-$1.timer" "auto-devops-$1.service"
  rm -f "/usr/local/sbin/auto-devops-$1"
}

# remove_rules GREP-ARGUMENT...: takes away the firewall rules and chains that match, and leaves all others. One by one: to load
# the rest anew would lose what somebody's nftables has in tables of these names, which iptables-save does not know
# (seen with iptables 1.8.9 and 1.8.11: a chain "postrouting" in "ip nat" was gone).
remove_rules() {
  local tables saved matching
  for tables in iptables ip6tables; do
    command -v "$tables-save" >/dev/null || continue
    if ! saved=$("$tables-save"); then
      # A kernel without IPv6 has no rules for it.
      if [ "$tables" = ip6tables ]; then continue; fi
      fail "firewall rules that cannot be read ($tables-save; the reason is above)" "$tables-save to list them, so that the stack's can go" \
        "on $(hostname): $tables-save; then run pulumi destroy again"
    fi
    matching=$(grep -n "$@" <<<"$saved" | cut -d: -f1 || true)
    if [ -z "$matching" ]; then continue; fi
    awk '
      NR == FNR { matches[$1]; next }
      /^\*/ { table = $0; rules = flushed = chains = "" }
      /^-A / && FNR in matches { rules = rules "-D" substr($0, 3) "\n" }
      /^:/ && FNR in matches && $2 == "-" { chain = substr($1, 2); flushed = flushed "-F " chain "\n"; chains = chains "-X " chain "\n" }
      /^COMMIT/ && rules chains != "" { printf "%s\n%s%s%sCOMMIT\n", table, rules, flushed, chains }
    ' <(printf '%s\n' "$matching") <(printf '%s\n' "$saved") | "$tables-restore" --noflush ||
      fail "firewall rules of the stack's that cannot be removed (the reason is above)" "no rule of somebody else's that leads to their chains" \
        "on $(hostname): $tables-save; remove that rule, then run pulumi destroy again"
  done
}

# after_nftables DROP-IN COMMAND: nftables.service runs COMMAND whenever it has loaded the user's rules: /etc/nftables.conf begins with
# `flush ruleset`, which takes everybody's away. A `-` before COMMAND: its failure is not that of nftables. The caller reloads systemd.
after_nftables() {
  printf '# Made by auto-devops: what the flush of all rules took away is made anew.\n[Service]\nExecStartPost=%s\nExecReload=%s\n' \
    "$2" "$2" >"$FILES/nftables.conf"
  place "$FILES/nftables.conf" "$1" 644
}

# remove_unused network|volume NAME: takes it out of the Docker engine; one that somebody's container has stays, as what is somebody's.
remove_unused() {
  local said
  if said=$(docker "$1" rm "$2" 2>&1); then return 0; fi
  case "$said" in
  *"has active endpoints"* | *"is in use"*) say "leaving the $1 $2 on $(hostname), which a container of somebody's has: $said" ;;
  *[Nn]"o such "* | *"not found"*) ;; # since Docker 23 in the engine's own words (moby, volume/service/errors.go)
  *) fail "the $1 $2 that cannot be removed: $said" "docker $1 rm $2 to work" "on $(hostname): mend it, then run pulumi destroy again" ;;
  esac
}

# forget_images: what the settings named before, and containers had until now, goes from the machine's Docker engine.
forget_images() {
  local program=/usr/local/sbin/auto-devops-docker-images
  if [ -x "$program" ] && ! "$program" outdated >&2; then say "former images stay in the engine of $(hostname) for now"; fi
}

# await SECONDS WHAT COMMAND...: runs COMMAND until it succeeds, says what it waits for, gives up after SECONDS.
await() {
  local limit=$1 what=$2 start=$SECONDS told=0
  shift 2
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS - start >= limit)); then return 1; fi
    if ((SECONDS - start >= told + 5)); then
      told=$((SECONDS - start))
      say "waiting for $what (${told} s of at most $limit s)"
    fi
    sleep 0.2
  done
}
