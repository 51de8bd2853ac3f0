# shellcheck shell=bash
# Ports of other machines that this one needs. PORTS has a line ADDRESS|PORT|MACHINE|KIND|SERVICE for each; KIND is "own" for
# a process of that machine, "published" for a container's port, whose packets pass by most machines' own firewalls.
# "Connection refused" is as good as an answer: nobody listens yet, and no firewall keeps silent.
set -euo pipefail

probe() {
  local status=0
  # shellcheck disable=SC2016 # the inner shell's own
  timeout 3 bash -c 'exec 3<>"/dev/tcp/$1/$2"' probe "$1" "$2" >"$3" 2>&1 || status=$?
  echo "$status" >"$3.status"
}

mapfile -t lines <<<"$PORTS"
for index in "${!lines[@]}"; do
  IFS='|' read -r address port _ <<<"${lines[index]}"
  probe "$address" "$port" "$TMPDIR/port-$index" &
done
wait

for index in "${!lines[@]}"; do
  IFS='|' read -r address port machine kind service <<<"${lines[index]}"
  what="port $port of $machine" said=$(tail -n 1 "$TMPDIR/port-$index")
  case "$(<"$TMPDIR/port-$index.status") $said" in
  "0 "*) ok "$what" answers ;;
  *"Connection refused") ok "$what" "nobody listens there yet" ;;
  *)
    found=${said##*: }
    if [ "$(<"$TMPDIR/port-$index.status")" = 124 ]; then found="no answer within 3 s"; fi
    fix="open TCP $port from $HOST_NAME to $address; on $machine: nft list ruleset, or ufw status"
    if [ "$kind" = own ]; then
      refuse_unless_begun "$what" "$found" "$service, without a firewall in between" "$fix"
    else
      warn "$what" "$found" "$service, without a firewall in between" "$fix"
    fi
    ;;
  esac
done
