# shellcheck shell=bash
# Packages that a script needs. What an installation would bring and take away is read from apt's simulation before it
# runs; nothing is ever removed for it, and what it brings is remembered before it comes.
#
# Lists of an OWNER below $STATE/packages, one package a line:
#   OWNER          came with us; with "auto" behind it as somebody's dependency, with "configured" where the machine had
#                  configuration files of it
#   OWNER.pending  the same of an installation that has begun and not ended
set -euo pipefail

# How our installations are known in apt's history, which apt writes before dpkg begins (seen with apt 2.6.1).
APT_OWNER=Auto-Devops::Owner

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

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
  if [ -e "$STATE/packages/$owner.pending" ]; then finish_dpkg; fi
  settle "$owner"
  for package in "$@"; do installed "$package" || missing+=("$package"); done
  if [ ${#missing[@]} -gt 0 ]; then
    say "installing ${missing[*]}"
    apt_install "$owner" "${missing[@]}"
    settle "$owner"
  fi
  exec 8<&-
}

# apt_install OWNER PACKAGE...: once more after refreshing the lists where they are missing or too old.
apt_install() {
  local owner=$1 log
  shift
  log=$(mktemp)
  if expect "$log" "$owner" "$@" && apt_try "$log" -o "$APT_OWNER=$owner" install "$@"; then return 0; fi
  say "refreshing apt's package lists"
  finish_dpkg
  if ! { apt_try "$log" update && expect "$log" "$owner" "$@" && apt_try "$log" -o "$APT_OWNER=$owner" install "$@"; }; then
    tail -n 20 "$log" >&2
    fail "apt-get install $* failed (its last lines are above)" "the machine's apt sources to have these packages" \
      "on $(hostname): apt-get update && apt-get install $*; then run pulumi up again"
  fi
}

# expect LOG OWNER PACKAGE...: asks apt what installing these would do; remembers what would come, and fails where
# anything would go. Its status is apt's.
expect() {
  local log=$1 owner=$2 list="$STATE/packages/$2.pending" gone changed
  shift 2
  if ! apt_try "$log" --simulate install "$@"; then return 1; fi
  gone=$(awk '$1 == "Remv" { print $2 }' "$log" | tr '\n' ' ')
  if [ -n "$gone" ]; then
    rm -f "$list"
    fail "packages that apt would remove to install $*: $gone" "no package of the machine's to go for one of the stack's" \
      "choose another machine; or, if nobody needs them there, on $(hostname): apt-get remove $gone"
  fi
  changed=$(awk '$1 == "Inst" && $3 ~ /^\[/ { print $2 }' "$log" | tr '\n' ' ')
  if [ -n "$changed" ]; then say "this also brings to their latest version: $changed"; fi
  mkdir -p "$STATE/packages"
  awk '$1 == "Inst" && $3 !~ /^\[/ { print $2 }' "$log" | while read -r package; do
    how=''
    case " $* " in *" ${package%:*} "*) ;; *) how=auto ;; esac
    if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = config-files ]; then how="${how:+$how }configured"; fi
    printf '%s\n' "$package${how:+ $how}"
  done | merge "$list"
}

# merge LIST: adds the lines that come to LIST, in one step.
merge() {
  { cat && if [ -e "$1" ]; then cat "$1"; fi; } | sort -u >"$1.new"
  mv "$1.new" "$1"
}

# there PACKAGE: whether any of its files are on the machine, also after an interrupted installation.
there() {
  case "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" in '' | not-installed | config-files) return 1 ;; esac
}

# settle OWNER: of an installation that ended, or was interrupted, what did come with it is the owner's. Between a power cut
# and now others may have installed the same: of what is there, that is ours whose last installation was ours.
settle() {
  local list="$STATE/packages/$1" package rest
  if [ -e "$list.before" ]; then adopt_older "$list"; fi
  if [ ! -e "$list.pending" ]; then return 0; fi
  while read -r package rest; do
    if there "$package" && installed_by_us "$package"; then printf '%s\n' "$package${rest:+ $rest}"; fi
  done <"$list.pending" | merge "$list"
  rm -f "$list.pending"
  if [ ! -s "$list" ]; then rm -f "$list"; fi
}

# adopt_older LIST: an earlier release of this program kept, for an interrupted installation, what was there before it.
adopt_older() {
  dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n '/^\(not-installed\|config-files\) /d; s/^[^ ]* //p' | sort -u |
    comm -13 "$1.before" - | merge "$1.pending"
  rm -f "$1.before"
}

# installed_by_us PACKAGE: whether the latest installation of PACKAGE in apt's history was a script's of this program. The
# second pattern is how its earlier releases called apt.
installed_by_us() {
  local file history
  eval "$(apt-config shell history Dir::Log::History/f)"
  for file in "$history.1.gz" "$history"; do
    if [ -r "$file" ]; then zcat -f "$file"; fi
  done | awk -v name="${1%:*}" -v owner="$APT_OWNER" '
    $1 == "Commandline:" { ours = index($0, owner "=") || /DPkg::Lock::Timeout=600 .*--force-confold -o Acquire::Retries=3/ }
    $1 == "Install:" {
      line = " " substr($0, 10)
      gsub(/\([^)]*\),?/, "", line)
      n = split(line, names, " ")
      for (i = 1; i <= n; i++) { sub(/:.*/, "", names[i]); if (names[i] == name) last = ours ? "ours" : "theirs" }
    }
    END { exit last == "ours" ? 0 : 1 }'
}

# remove_packages OWNER: takes away what install_packages OWNER brought, unless something of someone else needs it now, or
# asked for it since. The files that dpkg calls configuration stay where they were there before us.
remove_packages() {
  local owner=$1 list="$STATE/packages/$1" others package rest manual=() purged=() removed=()
  [ -d "$STATE/packages" ] || return 0
  exec 8</var/lib/dpkg
  flock 8
  settle "$owner"
  if [ -s "$list" ]; then
    mapfile -t manual < <(apt-mark showmanual)
    while read -r package rest; do
      if ! there "$package"; then continue; fi
      if [[ " $rest " == *" auto "* && " ${manual[*]} " == *" ${package%:*} "* ]]; then
        say "leaving $package, which somebody asked apt for since"
      elif [[ " $rest " == *" configured "* ]]; then
        removed+=("$package")
      else
        purged+=("$package")
      fi
    done < <(sort -u "$list")
  fi
  if [ $((${#purged[@]} + ${#removed[@]})) -gt 0 ]; then
    finish_dpkg
    others=$(apt-get -s remove "${purged[@]}" "${removed[@]}" 2>/dev/null | awk '$1 == "Remv" { print $2 }' | sort -u |
      comm -23 - <(printf '%s\n' "${purged[@]}" "${removed[@]}" | sed '/^$/d' | sort -u) | tr '\n' ' ')
    if [ -n "${others// /}" ]; then
      say "leaving the packages of $owner installed: ${others}need them"
    else
      say "removing ${purged[*]} ${removed[*]}"
      apt_remove purge "${purged[@]}"
      apt_remove remove "${removed[@]}"
    fi
  fi
  rm -f "$list"
  exec 8<&-
  forget_empty
}

# apt_remove ACTION [PACKAGE...]: removes just these.
apt_remove() {
  local log
  if [ $# -eq 1 ]; then return 0; fi
  log=$(mktemp)
  if ! apt_try "$log" "$@"; then
    tail -n 20 "$log" >&2
    fail "apt-get $* failed (its last lines are above)" "these packages to go, which came with the stack" \
      "on $(hostname): apt-get $*; then run pulumi destroy again"
  fi
}

# apt_try LOG ARGUMENT...: apt-get that waits for others' locks and asks no question; an installation removes nothing. What
# it prints is in LOG. Our TMPDIR is closed to the user that apt becomes for its downloads.
apt_try() {
  local log=$1 options=()
  shift
  case " $* " in *" install "*) options=(-y --no-install-recommends) ;; *" purge "* | *" remove "*) options=(-y) ;; esac
  case " $* " in *" --simulate "*) ;; *" install "*) options+=(--no-remove) ;; esac
  env -u TMPDIR apt-get -q -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confold -o Acquire::Retries=3 \
    "${options[@]}" "$@" >"$log" 2>&1 </dev/null
}

# finish_dpkg: completes what was switched off in the middle of an installation.
finish_dpkg() {
  if [ -n "$(dpkg --audit 2>/dev/null)" ] || compgen -G '/var/lib/dpkg/updates/[0-9]*' >/dev/null; then
    say "dpkg finishes what it was interrupted in"
    env -u TMPDIR dpkg --configure -a --force-confold >&2 </dev/null || true
  fi
}
