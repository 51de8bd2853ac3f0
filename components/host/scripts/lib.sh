# shellcheck shell=bash
# Functions for the scripts that a Host runs (see run.sh); those are the files beside the components.
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

# place SOURCE TARGET MODE: puts a file where it belongs, in one step; says by its status whether anything changed.
CHANGED=no
place() {
  if [ -f "$2" ] && cmp -s "$1" "$2" && [ "$(stat -c %a "$2")" = "$3" ]; then
    return 0
  fi
  mkdir -p "$(dirname "$2")"
  install -m "$3" "$1" "$2.auto-devops-new"
  mv -f "$2.auto-devops-new" "$2"
  # shellcheck disable=SC2034 # for the scripts
  CHANGED=yes
}

# keep FILE: remembers FILE as it was before us (or that there was none), once.
keep() {
  local kept
  kept="$STATE/before$1"
  if [ -e "$kept" ] || [ -L "$kept" ] || [ -e "$kept.none" ]; then
    return 0
  fi
  mkdir -p "$(dirname "$kept")"
  if [ -e "$1" ] || [ -L "$1" ]; then cp -a "$1" "$kept"; else touch "$kept.none"; fi
}

# give_back FILE: the opposite of keep; quiet when there is nothing to give back.
give_back() {
  local kept
  kept="$STATE/before$1"
  if [ -e "$kept.none" ]; then
    rm -f "$1" "$kept.none"
  elif [ -e "$kept" ] || [ -L "$kept" ]; then
    rm -f "$1"
    mv -f "$kept" "$1"
  fi
  forget_empty
}

# forget_empty: removes the directories of our state that have become empty.
forget_empty() {
  if [ -d "$STATE" ]; then find "$STATE" -depth -type d -empty -delete; fi
}

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

installed_packages() { dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | sort -u; }

# install_packages OWNER PACKAGE...: installs what is missing, and remembers every package that came with it, so that
# remove_packages OWNER takes away just those. One at a time on a machine: components install in parallel.
install_packages() {
  local owner=$1 missing=() package before
  shift
  exec 8</var/lib/dpkg # a directory that is always there, so that no lock file stays behind
  flock 8
  mkdir -p "$STATE/packages"
  for package in "$@"; do installed "$package" || missing+=("$package"); done
  if [ ${#missing[@]} -gt 0 ]; then
    say "installing ${missing[*]}"
    before=$(mktemp)
    installed_packages >"$before"
    # The list survives an interruption half way: what came before it is remembered first.
    [ -e "$STATE/packages/$owner.before" ] || cp "$before" "$STATE/packages/$owner.before"
    apt_get install -y --no-install-recommends "${missing[@]}"
    installed_packages | comm -13 "$STATE/packages/$owner.before" - >>"$STATE/packages/$owner"
    sort -u -o "$STATE/packages/$owner" "$STATE/packages/$owner"
    rm -f "$STATE/packages/$owner.before"
  fi
  exec 8<&-
}

# apt_get ARGUMENT...: apt-get that waits for others' locks, refreshes the lists where they are missing or too old to
# find the packages, and shows its output only when it failed.
apt_get() {
  local log
  log=$(mktemp)
  if ! apt_try "$log" "$@"; then
    say "refreshing apt's package lists"
    # Where an earlier run was killed in the middle of an installation.
    env -u TMPDIR dpkg --configure -a >"$log" 2>&1 </dev/null || true
    if ! { apt_try "$log" update && apt_try "$log" "$@"; }; then
      tail -n 20 "$log" >&2
      fail "apt-get $* failed (its last lines are above)" \
        "the machine's apt sources to have these packages" \
        "on $(hostname): apt-get update && apt-get $*; then run pulumi up again"
    fi
  fi
}

apt_try() {
  local log=$1
  shift
  # dpkg asks no question. Our TMPDIR is closed to the user that apt becomes for its downloads.
  env -u TMPDIR apt-get -q -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confold -o Acquire::Retries=3 "$@" >"$log" 2>&1 </dev/null
}

# remove_packages OWNER: takes away what install_packages OWNER brought, unless something of someone else needs it now.
remove_packages() {
  local owner=$1 list="$STATE/packages/$1" packages=() package others
  [ -d "$STATE/packages" ] || return 0
  exec 8</var/lib/dpkg
  flock 8
  if [ -e "$list.before" ]; then # an installation was interrupted
    installed_packages | comm -13 "$list.before" - >>"$list"
    rm -f "$list.before"
  fi
  if [ -s "$list" ]; then
    while read -r package; do if installed "$package"; then packages+=("$package"); fi; done < <(sort -u "$list")
  fi
  if [ ${#packages[@]} -gt 0 ]; then
    others=$(apt-get -s purge "${packages[@]}" 2>/dev/null | sed -n 's/^\(Purg\|Remv\) \([^ ]*\).*/\2/p' | sort -u |
      comm -23 - <(printf '%s\n' "${packages[@]}" | sort -u) | tr '\n' ' ')
    if [ -n "${others// /}" ]; then
      say "leaving the packages of $owner installed: ${others}need them"
    else
      say "removing ${packages[*]}"
      apt_get purge -y "${packages[@]}"
    fi
  fi
  rm -f "$list"
  exec 8<&-
  forget_empty
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
  systemctl restart "$unit"
  mkdir -p "$STATE/started"
  printf '%s\n' "$files" >"$started"
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

# remove_units UNIT...: stops units of ours, and takes away their files and what systemd remembers of them: when a timer
# last fired, and that a run failed (a machine would count as degraded for a unit that it no longer has).
remove_units() {
  local unit
  for unit in "$@"; do
    systemctl disable -q --now "$unit" 2>/dev/null || true
    systemctl stop "$unit" 2>/dev/null || true # what another unit started is not enabled
    rm -f "/etc/systemd/system/$unit" "/var/lib/systemd/timers/stamp-$unit"
  done
  systemctl daemon-reload
  for unit in "$@"; do systemctl reset-failed "$unit" 2>/dev/null || true; done
}

# remove_timer NAME: the opposite of place_timer.
remove_timer() {
  remove_units "auto-devops-$1.timer" "auto-devops-$1.service"
  rm -f "/usr/local/sbin/auto-devops-$1"
}

# remove_rules GREP-ARGUMENT...: takes away the firewall rules and chains that match, and leaves all others.
remove_rules() {
  local tables
  for tables in iptables ip6tables; do
    command -v "$tables-save" >/dev/null || continue
    # Counted, not `grep -q`: that would end at the first match, and iptables-save with a broken pipe.
    if [ "$("$tables-save" | grep -c "$@" || true)" -gt 0 ]; then
      "$tables-save" | grep -v "$@" | "$tables-restore"
    fi
  done
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
