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

# refuse_unless_begun WHAT FOUND WANTED HOW-TO-FIX: where the script has begun on this machine it may run well without what is
# missing now, and that is a warning.
refuse_unless_begun() { if [ "$BEGUN" = yes ]; then warn "$@"; else refuse "$@"; fi; }

# refuse_noexec DIRECTORY WANTED MACHINE: where no program may run below DIRECTORY; MACHINE is its name in the settings.
refuse_noexec() {
  if findmnt -no OPTIONS --target "$1" | grep -w noexec >/dev/null; then
    refuse "mount $1" noexec "$2" "on $3: mount -o remount,exec $(findmnt -no TARGET --target "$1"), and the same in /etc/fstab"
  fi
}

# free_mib DIRECTORY: how many MiB may still be written there.
free_mib() { df --output=avail -k "$1" | awk 'END { print int($1 / 1024) }'; }

# finding LEVEL WHAT FOUND WANTED FIX: a line whose fields are separated by the character made for it, which no field has,
# nor any other that ends a line somewhere.
finding() {
  local field fields=''
  for field in "${@:2}"; do
    field=${field//[[:cntrl:]]/ }
    fields+=$'\037'${field%"${field##*[![:space:]]}"}
  done
  printf '%s%s\n' "$1" "$fields"
}

# theirs DIRECTORY: whether there is something in DIRECTORY that the stack did not begin and may not adopt. BEGUN says whether
# this script has begun here; hosts.<machine>.adopt names what it may use.
theirs() { [ "$BEGUN" = no ] && ! adopted "$1" && has_content "$1"; }

# has_content DIRECTORY: whether there is any file in it. Empty directories are none, as kubeadm reset and packages leave
# them, nor is what a new file system has.
has_content() { [ -n "$(find "$1/" -mindepth 1 ! -type d ! -path "$1/lost+found/*" -print -quit 2>/dev/null)" ]; }

# adopted DIRECTORY: whether it was somebody else's and stays theirs: it is not removed.
adopted() { [[ ":${ADOPT:-}:" == *":$1:"* ]]; }

# holders t|u PORT: who listens on this port of TCP or UDP, one a line: the address, the program, and its unit or "-".
holders() {
  local address users program pid unit
  while read -r _ _ _ address _ users; do
    if [ -z "$address" ]; then continue; fi
    read -r program pid < <(sed -n 's/^users:(("\([^"]*\)",pid=\([0-9]*\),.*/\1 \2/p' <<<"$users") || true
    unit=$(sed -n 's#.*/\([^/]*\.\(service\|scope\|socket\)\)$#\1#p' "/proc/${pid:-0}/cgroup" 2>/dev/null | head -n 1 || true)
    printf '%s %s %s\n' "$address" "${program:-unknown}" "${unit:--}"
  done < <(ss -Hln"$1"p "sport = :$2" 2>/dev/null || true)
}

# asks_resolved: whether programs ask systemd-resolved for names. It may run beside an /etc/resolv.conf that is another's, and
# then goes by that itself (systemd-resolved.service(8), the fourth mode of /etc/resolv.conf).
asks_resolved() {
  [[ "$(readlink -f /etc/resolv.conf)" == /run/systemd/resolve/* ]] || grep -qsE '^nameserver[[:space:]]+127\.0\.0\.5[34]([[:space:]]|$)' /etc/resolv.conf
}

# rules_of_nftables: all tables, as nft lists them; nothing where there is no nft.
rules_of_nftables() { if command -v nft >/dev/null; then nft list ruleset 2>/dev/null || true; fi; }

# dropping HOOK: the chains of nftables' that drop, at HOOK, whatever no rule of theirs accepts: a line "FAMILY TABLE CHAIN:" and
# their rules for each. Not those of iptables' names: Docker and kube-proxy are at home in these.
dropping() {
  rules_of_nftables | awk -v hook=" hook $1 " '
    { gsub(/^[ \t]+/, "") }
    $1 == "table" { table = $2 " " $3 }
    $1 == "chain" { chain = $2; rules = last = ""; here = 0 }
    here && $1 == "}" {
      if (drops || last ~ /^(counter (packets [0-9]+ bytes [0-9]+ )?)?(log .*)?(drop|reject)/) print table " " chain ":" rules
      here = 0
    }
    here { last = $0; rules = rules " " $0 ";" }
    $1 == "type" && index($0, hook) {
      here = !(table ~ /^ip6? filter$/ && chain ~ /^[A-Z]+$/)
      drops = / policy drop;/
    }'
}

# lets_pass HOOK NAMES RULES MACHINE: refuses a firewall of nftables' that drops at HOOK what the stack has on this machine: what one
# chain drops is dropped, whatever others accept (nft(8), "verdict statement"), so that neither Docker nor kube-proxy can
# help it. A rule that accepts something of the pattern NAMES is taken to mean the stack's; RULES are some that would do.
lets_pass() {
  local line rules report
  while IFS= read -r line; do
    rules=$(tr ';' '\n' <<<"${line#*:}" | grep -E 'accept|jump|goto' || true)
    if grep -E "$2" <<<"$rules" >/dev/null; then continue; fi
    # A rule that names neither a port nor a state may be for the stack's, too.
    report=refuse_unless_begun
    if grep -vE 'ct state|dport|icmp|^ *iif(name)? "lo" accept|^$' <<<"$rules" >/dev/null; then report=warn; fi
    "$report" "firewall (nftables)" "the chain ${line%%:*} drops what it does not accept (hook $1)" "$3" \
      "on $4: add that to the chain, in /etc/nftables.conf or whatever makes it, and load it"
  done < <(dropping "$1")
}

# heed CHECK: runs a check before its script: says its warnings, and ends the script where something is refused, all of
# it at once.
heed() {
  local findings level what found wanted fix refused=no status
  # Without -e only here, so that what was found before a check broke is told, too.
  set +e
  # shellcheck source=/dev/null
  findings=$(. "$1")
  status=$?
  set -e
  while IFS=$'\037' read -r level what found wanted fix; do
    case "$level" in
    refused)
      refused=yes
      (fail "$what: $found; nothing was changed" "$wanted" "$fix") || true
      ;;
    warning) say "warning on $(hostname): $what: $found; better: $wanted; $fix" ;;
    esac
  done <<<"$findings"
  if [ "$status" != 0 ]; then
    fail "a check that broke off (its words are above); nothing was changed" "it to end" "tell the maintainers; run pulumi up again"
  fi
  [ "$refused" = no ]
}
