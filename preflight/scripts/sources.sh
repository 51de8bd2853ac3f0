# shellcheck shell=bash
# What is downloaded to this machine is to be had from here. SOURCES are words KIND|URL|SETTING: a "registry" answers at
# /v2/, a "file" is there; SETTING is what points it elsewhere. CA are certificates (PEM) that mirrors may have.
set -euo pipefail

case "$(uname -m)" in aarch64) architecture=arm64 ;; *) architecture=amd64 ;; esac
ca="$TMPDIR/mirrors.pem"
printf '%s\n' "${CA:-}" >"$ca"

# An engine that is there already may go by a proxy of its own.
environment=$(systemctl show docker containerd --property=Environment 2>/dev/null || true)
proxy=$(tr ' ' '\n' <<<"${environment//Environment=/ }" | sed -n 's/^[Hh][Tt][Tt][Pp][Ss]_[Pp][Rr][Oo][Xx][Yy]=//p' | tail -n 1)

get() {
  curl -sSL -o /dev/null -w '%{http_code}' --connect-timeout 5 --max-time 8 ${proxy:+-x "$proxy"} "$@"
}

# ask URL FILE: what came of it, as a number of HTTP's or curl's words.
ask() {
  local code status=0
  if ! command -v curl >/dev/null; then
    connect "$1" >"$2"
    return 0
  fi
  code=$(get "$1" 2>"$2.err") || status=$?
  # The certificate: of a mirror whose CA this machine does not trust yet.
  if [ "$status" = 60 ] && [ -n "${CA:-}" ]; then
    status=0
    code=$(get --cacert "$ca" "$1" 2>"$2.err") || status=$?
  fi
  if [ "$status" = 0 ]; then echo "$code" >"$2"; else sed 's/^curl: ([0-9]*) //' "$2.err" | head -n 1 >"$2"; fi
}

# connect URL: without curl, which comes with the installation: the name, and the port.
# shellcheck disable=SC2016 # the inner shell's own
connect() {
  local place=${1#*://} host port
  place=${place%%/*} host=${place%:*} port=443
  if [[ "$place" == *:* ]]; then port=${place##*:}; fi
  if ! getent ahosts "$host" >/dev/null; then
    echo "Could not resolve host: $host"
  elif timeout 5 bash -c 'exec 3<>"/dev/tcp/$1/$2"' connect "$host" "$port" 2>/dev/null; then
    echo connected
  else
    echo "no connection to $host port $port"
  fi
}

read -ra words <<<"$SOURCES"
for index in "${!words[@]}"; do
  IFS='|' read -r _ url _ <<<"${words[index]}"
  ask "${url//@ARCHITECTURE@/$architecture}" "$TMPDIR/source-$index" &
done
wait

for index in "${!words[@]}"; do
  IFS='|' read -r kind url setting <<<"${words[index]}"
  url=${url//@ARCHITECTURE@/$architecture} said=$(<"$TMPDIR/source-$index")
  place=${url#*://} place=${place%%/*}
  what="download from ${place%:*}" found="$url: $said"
  case "$kind $said" in
  # 401: it wants a login or a token; 429: it has had enough of us for now (Docker Hub's limit).
  "registry 2"?? | "registry 401" | "registry 429") ok "$what" "$url" ;;
  "file 2"??) ok "$what" "$url" ;;
  *" connected") ok "$what" "$url: reached; not asked further, as there is no curl" ;;
  *)
    case "$said" in [0-9][0-9][0-9]) found="$url: HTTP status $said" ;; esac
    wanted="it to be there for $HOST_NAME"
    if [ "$kind" = registry ]; then wanted="a registry that answers $HOST_NAME"; fi
    refuse_unless_begun "$what" "$found" "$wanted" "on $HOST_NAME: curl -I $url; or a mirror of it in $setting"
    ;;
  esac
done
