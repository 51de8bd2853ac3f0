# shellcheck shell=bash
# Packages that a script needs. What an installation would bring and take away is read from apt's simulation before it
# runs; nothing is ever removed for it, and what it brings is remembered before it comes.
#
# Lists of an OWNER below $STATE/packages, one package a line:
#   OWNER          came with us; with "auto" behind it as somebody's dependency, with "configured" where the machine had
#                  configuration files of it
#   OWNER.pending  the same of an installation that has begun and not ended
set -euo pipefail

# How our installations are known in apt's history, which apt writes before dpkg begins (apt 2.4 to 3.0, dpkgpm.cc).
APT_OWNER=Auto-Devops::Owner

status() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null || true; }

installed() { [ "$(status "$1")" = installed ]; }

# there PACKAGE: whether any of its files are on the machine, also after an interrupted installation.
there() { case "$(status "$1")" in '' | not-installed | config-files) return 1 ;; esac }

# came_with_us OWNER PACKAGE: whether the installation for OWNER brought PACKAGE.
came_with_us() { cut -d' ' -f1 "$STATE/packages/$1" 2>/dev/null | grep -xF -- "$2" >/dev/null; }

# as_packaged PACKAGE FILE: whether a configuration file of PACKAGE is what the package brought.
as_packaged() {
  local brought
  brought=$(dpkg-query -W -f '${Conffiles}\n' "$1" 2>/dev/null | awk -v file="$2" '$1 == file { print $2 }')
  [ -n "$brought" ] && [ "$(md5sum "$2" 2>/dev/null | cut -d' ' -f1)" = "$brought" ]
}

# install_packages OWNER PACKAGE...: installs what is missing, and remembers every package that comes with it, so that
# remove_packages OWNER takes away just those. One at a time on a machine: components install in parallel.
install_packages() {
  local owner=$1 missing=() package
  shift
  exec 8</var/lib/dpkg # a directory that is always there, so that no lock file stays behind
  flock 8
  mend
  settle "$owner"
  for package in "$@"; do installed "$package" || missing+=("$package"); done
  if [ ${#missing[@]} -gt 0 ]; then
    say "installing ${missing[*]}"
    apt_install "$owner" "${missing[@]}"
    settle "$owner" ended
  fi
  exec 8<&-
}

# mend: finishes an installation of ours that was interrupted or failed, whoever it was for. apt installs nothing more while
# a package is unpacked whose dependencies are not.
mend() {
  local list owners=() log
  for list in "$STATE/packages"/*.pending; do
    if [ -e "$list" ]; then owners+=("$(basename "$list" .pending)"); fi
  done
  if [ ${#owners[@]} -eq 0 ]; then return 0; fi
  finish_dpkg
  for list in "${owners[@]}"; do settle "$list"; done
  drop_halves
  log=$(mktemp)
  if ! apt_try "$log" check; then
    apt_install "${owners[0]}" --fix-broken
    settle "${owners[0]}" ended
  fi
}

# apt_install OWNER PACKAGE...: once more after refreshing the lists where they are missing or too old.
apt_install() {
  local owner=$1 log
  shift
  log=$(mktemp)
  if expect "$log" "$owner" "$@" && apt_try "$log" -o "$APT_OWNER=$owner" install "$@"; then return 0; fi
  say "refreshing apt's package lists"
  finish_dpkg
  # One source that does not answer is no reason to give up: the others may have what is wanted.
  apt_try "$log.update" update || true
  if expect "$log" "$owner" "$@" && apt_try "$log" -o "$APT_OWNER=$owner" install "$@"; then return 0; fi
  grep '^[EW]:' "$log.update" >&2 || true
  tail -n 20 "$log" >&2
  fail "apt-get install $* failed (its last lines are above)" "the machine's apt sources to have these packages" \
    "on $(hostname): apt-get update && apt-get install $*; then run pulumi up again"
}

# expect LOG OWNER PACKAGE...: asks apt what installing these would do; remembers what would come, and fails where
# anything would go. Its status is apt's.
expect() {
  local log=$1 owner=$2 list="$STATE/packages/$2.pending" gone changed package how
  shift 2
  if ! apt_try "$log" --simulate install "$@"; then return 1; fi
  gone=$(going "$log" | tr '\n' ' ')
  if [ -n "$gone" ]; then
    settle "$owner" # a first try may have brought something
    fail "packages that apt would remove to install $*: $gone" "no package of the machine's to go for one of the stack's" \
      "choose another machine; or, if nobody needs them there, on $(hostname): apt-get remove $gone"
  fi
  changed=$(awk '$1 == "Inst" && $3 ~ /^\[/ { print $2 }' "$log" | while read -r package; do
    came_with_us "$owner" "$package" || printf '%s ' "$package" # else it was half there
  done)
  if [ -n "$changed" ]; then say "this also brings to their latest version: $changed"; fi
  # Whoever calls this asks for its status, so that `set -e` does not end it.
  mkdir -p "$STATE/packages" || return 1
  awk '$1 == "Inst" && $3 !~ /^\[/ { print $2 }' "$log" | while read -r package; do
    how=''
    case " $* " in *" ${package%:*} "*) ;; *) how=auto ;; esac
    if [ "$(status "$package")" = config-files ]; then how="${how:+$how }configured"; fi
    printf '%s\n' "$package${how:+ $how}"
  done | merge "$list"
}

# going LOG: the packages that apt's simulation in LOG removes. With APT::Get::Purge it says so in another word (apt 2.4 to
# 3.0, algorithms.cc).
going() { awk '$1 == "Remv" || $1 == "Purg" { print $2 }' "$1"; }

# would_go PACKAGE...: the packages that apt would remove to install these; nothing where it cannot tell.
would_go() {
  local log
  log=$(mktemp)
  if apt_try "$log" --simulate install "$@"; then going "$log"; fi
  rm -f "$log"
}

# merge LIST: adds the lines that come to LIST, in one step. A package has one line: it is somebody's dependency if no line
# says otherwise, and it was configured if one does.
merge() {
  { cat && if [ -e "$1" ]; then cat "$1"; fi; } | awk '
    { lines[$1]++; for (i = 2; i <= NF; i++) said[$1, $i]++ }
    END {
      for (package in lines)
        print package (said[package, "auto"] == lines[package] ? " auto" : "") (said[package, "configured"] ? " configured" : "")
    }' | sort >"$1.new" && mv "$1.new" "$1"
}

# settle OWNER [ended]: of an installation that ended, or was interrupted, what did come with it is the owner's. Between a
# power cut and now others may have installed the same: then, that is ours whose last installation was ours.
settle() {
  local list="$STATE/packages/$1" ended=${2:-no} package rest
  local -A latest=()
  if [ -e "$list.before" ]; then adopt_older "$list"; fi
  if [ ! -e "$list.pending" ]; then return 0; fi
  while read -r package rest; do latest[$package]=$rest; done < <(apt_history)
  while read -r package rest; do
    if ! there "$package"; then continue; fi
    case "$ended ${latest[${package%:*}]:-}" in
    *" ours" | "ended ") printf '%s\n' "$package${rest:+ $rest}" ;; # a history that nobody writes says nothing
    esac
  done <"$list.pending" | merge "$list"
  rm -f "$list.pending"
  if [ ! -s "$list" ]; then rm -f "$list"; fi
}

# drop_halves: takes away what of ours was not even unpacked. apt would fetch it again but not unpack it where only a package
# that it installs needs it (seen with apt 2.6.1).
drop_halves() {
  local package
  for package in $(find "$STATE/packages" -type f -exec cut -d' ' -f1 {} + | sort -u); do
    if [ "$(status "$package")" = half-installed ]; then dpkg --remove --force-remove-reinstreq "$package" >&2 </dev/null; fi
  done
}

# adopt_older LIST: an earlier release of this program kept, for an interrupted installation, what was there before it.
adopt_older() {
  dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n '/^\(not-installed\|config-files\) /d; s/^[^ ]* //p' | sort -u |
    comm -13 "$1.before" - | merge "$1.pending"
  rm -f "$1.before"
}

# apt_history: each package that apt's history knows, and whether what was done last with it was an installation of "ours" or
# of "theirs", or whether others have made it "gone". The pattern is how earlier releases of this program called apt, and
# how its removals still do; an entry that was not made by a command has no command line.
apt_history() {
  local file history
  eval "$(apt-config shell history Dir::Log::History/f)"
  for file in $(compgen -G "$history.*.gz" | sort -rV) "$history"; do
    if [ -r "$file" ]; then zcat -f "$file"; fi
  done | awk -v owner="$APT_OWNER" '
    $1 == "Start-Date:" { ours = 0 }
    $1 == "Commandline:" { ours = index($0, owner "=") || /DPkg::Lock::Timeout=600 .*--force-confold -o Acquire::Retries=3/ }
    $1 ~ /^(Install|Remove|Purge):$/ {
      line = substr($0, length($1) + 1)
      gsub(/\([^)]*\),?/, "", line)
      n = split(line, names, " ")
      for (i = 1; i <= n; i++) {
        sub(/:.*/, "", names[i])
        if (!ours) latest[names[i]] = $1 == "Install:" ? "theirs" : "gone"
        else if ($1 == "Install:") latest[names[i]] = "ours" # a removal of ours may have been interrupted
      }
    }
    END { for (name in latest) print name, latest[name] }'
}

# remove_packages OWNER: takes away what install_packages OWNER brought, but for what something of someone else needs now,
# or somebody asked for or installed since. The files that dpkg calls configuration stay where they were there before us.
remove_packages() {
  local owner=$1 list="$STATE/packages/$1" log package purged=() removed=()
  local -A ours=()
  [ -d "$STATE/packages" ] || return 0
  exec 8</var/lib/dpkg
  flock 8
  settle "$owner"
  if [ -s "$list" ]; then
    finish_dpkg
    drop_halves
    log=$(mktemp)
    choose "$owner"
    spare_needed "$log"
    # Chosen once: apt forgets whose dependency a package is when it begins to remove it.
    for package in "${!ours[@]}"; do printf '%s\n' "$package${ours[$package]//auto/}"; done >"$list.new"
    mv "$list.new" "$list"
    for package in "${!ours[@]}"; do
      case "${ours[$package]}" in *configured*) removed+=("$package") ;; *) purged+=("$package") ;; esac
    done
    if [ ${#ours[@]} -gt 0 ]; then say "removing ${!ours[*]}"; fi
    apt_remove purge "${purged[@]}"
    apt_remove remove "${removed[@]}"
  fi
  rm -f "$list"
  exec 8<&-
}

# with_lists COMMAND...: runs it while nothing else of ours reads or writes the lists of packages.
with_lists() { (flock 8 && "$@") 8</var/lib/dpkg; }

# choose OWNER: those packages of OWNER's list that may go, in `ours`.
choose() {
  local manual package rest others
  local -A latest=()
  manual=" $(apt-mark showmanual | tr '\n' ' ') "
  others=$(find "$STATE/packages" -type f ! -name "$1" ! -name '*.before' ! -name '*.new' ! -name 'sed??????' -exec cut -d' ' -f1 {} +)
  while read -r package rest; do latest[$package]=$rest; done < <(apt_history)
  while read -r package rest; do
    case "$(status "$package")" in
    '' | not-installed) continue ;;
    config-files) if [[ $rest == *configured* ]]; then continue; fi ;; # else it is left of a removal that was interrupted
    *)
      case "${latest[${package%:*}]:-}" in
      theirs | gone)
        say "leaving $package, which somebody installed anew since"
        continue
        ;;
      esac
      ;;
    esac
    if grep -xF -- "$package" <<<"$others" >/dev/null; then continue; fi # it goes with the last who needs it
    if [[ " $rest " == *" auto "* && ($manual == *" $package "* || $manual == *" ${package%:*} "*) ]]; then
      say "leaving $package, which somebody asked apt for since"
      continue
    fi
    ours[$package]=${rest:+ $rest}
  done <"$STATE/packages/$1"
}

# spare_needed LOG: takes out of `ours` what others need: without it, packages that are not ours would go, or come instead.
spare_needed() {
  local package needed_by
  needed_by=$(without "$1" "${!ours[@]}")
  if [ -z "$needed_by" ]; then return 0; fi
  for package in "${!ours[@]}"; do
    needed_by=$(without "$1" "$package")
    if [ -n "$needed_by" ]; then
      say "leaving $package, which others need: $needed_by"
      hand_over "$package" "$needed_by"
      unset "ours[$package]"
    fi
  done
  needed_by=$(without "$1" "${!ours[@]}")
  if [ -n "$needed_by" ]; then
    say "leaving ${!ours[*]}, of which others need some: $needed_by"
    ours=()
  fi
}

# hand_over PACKAGE NEEDED-BY: if another owner brought what needs it, it goes with that.
hand_over() {
  local list package
  for list in "$STATE/packages"/*; do
    for package in $2; do
      if [ "$(basename "$list")" != "$owner" ] && came_with_us "$(basename "$list")" "$package"; then
        printf '%s\n' "$1${ours[$1]}" | merge "$list"
        return 0
      fi
    done
  done
}

# without LOG [PACKAGE...]: what would go, or come, beside `ours` if these went.
without() {
  local log=$1 package
  shift
  if [ $# -eq 0 ]; then return 0; fi
  apt_remove "--simulate remove" "$@"
  { going "$log" && awk '$1 == "Inst" { print $2 }' "$log"; } | while read -r package; do
    if [ -z "${ours[$package]+x}" ]; then printf '%s ' "$package"; fi
  done
}

# apt_remove ACTION [PACKAGE...]: removes just these.
apt_remove() {
  local action=$1
  shift
  if [ $# -eq 0 ]; then return 0; fi
  # shellcheck disable=SC2086 # words
  if ! apt_try "$log" $action "$@"; then
    tail -n 20 "$log" >&2
    fail "apt-get $action $* failed (its last lines are above)" "these packages to go, which came with the stack" \
      "on $(hostname): apt-get ${action#--simulate } $*; then run pulumi destroy again"
  fi
}

# apt_try LOG ARGUMENT...: apt-get that waits for others' locks and asks no question; an installation removes nothing, and a
# removal nothing but what it is told, whatever the machine's configuration of apt says. What it prints is in LOG.
apt_try() {
  local log=$1 options=() start=$SECONDS
  shift
  case " $* " in *" install "*) options=(-y --no-install-recommends) ;; *" purge "* | *" remove "*) options=(-y) ;; esac
  case " $* " in *" --simulate "*) ;; *" install "*) options+=(--no-remove) ;; esac
  # Our TMPDIR is closed to the user that apt becomes for its downloads. No hook of the machine's may ask or restart
  # services: Ubuntu 24.04's needrestart does after every installation (needrestart 3.5, ex/apt/apt-pinvoke).
  until env -u TMPDIR NEEDRESTART_SUSPEND=1 APT_LISTCHANGES_FRONTEND=none APT_LISTBUGS_FRONTEND=none apt-get -q \
    -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confold -o Acquire::Retries=3 -o APT::Get::AutomaticRemove=false \
    -o APT::Get::Purge=false "${options[@]}" "$@" >"$log" 2>&1 </dev/null; do
    # The timeout is for dpkg's lock alone; for those of lists and downloads apt does not wait (2.4 to 3.0, acquire.cc).
    if ! grep '^E: Unable to lock directory' "$log" >/dev/null || ((SECONDS - start >= 600)); then return 1; fi
    say "waiting for another apt to end"
    sleep 2
  done
}

# finish_dpkg: completes what was switched off in the middle of an installation.
finish_dpkg() {
  if [ -n "$(dpkg --audit 2>/dev/null)" ] || compgen -G '/var/lib/dpkg/updates/[0-9]*' >/dev/null; then
    say "dpkg finishes what it was interrupted in"
    env -u TMPDIR dpkg --configure -a --force-confold >&2 </dev/null || true
  fi
}
