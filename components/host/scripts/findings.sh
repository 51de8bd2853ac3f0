# shellcheck shell=bash
# What a script finds on a machine before it changes anything there. A `check.sh` only looks, and tells by these functions;
# it has the variables of its script, but no files.
set -euo pipefail

# ok WHAT FOUND: as it should be.
ok() { finding ok "$1" "$2" '' ''; }

# warn WHAT FOUND WANTED HOW-TO-FIX: worth knowing; nothing ends for it.
warn() { finding warning "$@"; }

# refuse WHAT FOUND WANTED HOW-TO-FIX: this machine cannot become what it is asked to be; nothing is changed on it. What
# hosts.<machine>.ignore names is told as a warning.
refuse() {
  if [[ ":${IGNORE:-}:" == *":$1:"* ]]; then finding warning "$@"; else finding refused "$@"; fi
}

# finding LEVEL WHAT FOUND WANTED FIX: a line whose fields are separated by the character made for it.
finding() {
  local fields
  printf -v fields '\037%s' "${@:2}"
  printf '%s%s\n' "$1" "$(tr '\n\t' '  ' <<<"$fields" | sed 's/ *$//')"
}

# theirs DIRECTORY: whether there is something in DIRECTORY that the stack did not begin and may not adopt. BEGUN says whether
# this script has begun here; hosts.<machine>.adopt names what it may use.
theirs() {
  [ "$BEGUN" = no ] && [[ ":${ADOPT:-}:" != *":$1:"* ]] && [ -n "$(find "$1" -mindepth 1 -print -quit 2>/dev/null)" ]
}

# adopted DIRECTORY: whether it was somebody else's and stays theirs: it is not removed.
adopted() { [[ ":${ADOPT:-}:" == *":$1:"* ]]; }

# heed CHECK: runs a check before its script: says its warnings, and ends the script where something is refused, all of
# it at once.
heed() {
  local findings level what found wanted fix refused=no
  # shellcheck source=/dev/null
  findings=$(. "$1")
  while IFS=$'\037' read -r level what found wanted fix; do
    case "$level" in
    refused)
      refused=yes
      (fail "$what: $found; nothing was changed" "$wanted" "$fix") || true
      ;;
    warning) say "warning on $(hostname): $what: $found; better: $wanted; $fix" ;;
    esac
  done <<<"$findings"
  [ "$refused" = no ]
}
