# shellcheck shell=bash
# Functions of the scripts that bring Kubernetes' programs to a machine. VERSION and KUBERNETES_URL are the command's.
set -euo pipefail

binaries=/usr/local/bin # downloads are in $WORK until then: they would not fit into /run
case "$(uname -m)" in
x86_64) architecture=amd64 ;;
aarch64) architecture=arm64 ;;
*) fail "a machine of kind $(uname -m)" "x86_64 or aarch64" "choose another machine" ;;
esac

# fetch URL FILE CURL-ARGUMENT...: tries four times what may be better the next time, and says so; curl's last words are in
# $FILES/curl.
fetch() {
  local url=$1 file=$2 try
  shift 2
  for try in 1 2 3 4; do
    if curl -sSfL --connect-timeout 10 "$@" -o "$file" "$url" 2>"$FILES/curl"; then return 0; fi
    if grep -qE 'error: 4(0[0-7]|1)' "$FILES/curl"; then return 1; fi # not there, or not for us: nor will it be in a moment
    if ((try < 4)); then
      say "$url: $(cat "$FILES/curl"); try $((try + 1)) of 4 follows"
      sleep $((2 * try)) # for whoever runs the mirror: nothing here could be awaited
    fi
  done
  return 1
}

# download URL FILE: fetches a file whose SHA-256 stands beside it.
download() {
  local wanted got
  if ! fetch "$1.sha256" "$2.sha256" --max-time 15; then
    fail "$1.sha256 not to be had: $(cat "$FILES/curl")" "a Kubernetes version that exists there, and a source within reach" \
      "check kubernetes.version ($VERSION) and mirrors.kubernetes, mirrors.cni; on $(hostname): curl -I $1"
  fi
  read -r wanted _ <"$2.sha256" || true # a file without an end of line is one too
  # It may take its time, as long as something comes.
  if ! fetch "$1" "$2" --speed-limit 1024 --speed-time 30; then
    fail "$1 not to be had: $(cat "$FILES/curl")" "a source within reach" "on $(hostname): curl -I $1"
  fi
  got=$(sha256sum "$2" | cut -d' ' -f1)
  if [ "$got" != "$wanted" ]; then
    rm -f "$2"
    fail "$1 with SHA-256 $got" "SHA-256 $wanted, as $1.sha256 says" "tell who runs the mirror; nothing was installed"
  fi
}

# version_of PROGRAM: the version that is installed, such as v1.36.3; nothing if there is none.
version_of() {
  [ -x "$binaries/$1" ] || return 0
  case "$1" in
  kubelet) "$binaries/kubelet" --version | awk '{ print $2 }' ;;
  kubeadm) "$binaries/kubeadm" version -o short ;;
  kubectl) "$binaries/kubectl" version --client | awk '/^Client Version/ { print $3 }' ;;
  esac
}

# fetch_program PROGRAM: downloads the program in VERSION, unless that is installed.
fetch_program() {
  if [ "$(version_of "$1")" = "v$VERSION" ]; then return 0; fi
  say "downloading $1 v$VERSION from $KUBERNETES_URL"
  mkdir -p "$WORK"
  download "$KUBERNETES_URL/release/v$VERSION/bin/linux/$architecture/$1" "$WORK/$1"
}

# place_program PROGRAM: installs what fetch_program brought.
place_program() {
  if [ -e "$WORK/$1" ]; then place "$WORK/$1" "$binaries/$1" 755; fi
}

# get_program PROGRAM: the program in VERSION.
get_program() {
  fetch_program "$1"
  place_program "$1"
}

# stays_ready: the API server says for five seconds that it is ready. One that is about to go says it once, too.
stays_ready() {
  local moment
  # shellcheck disable=SC2034 # a count
  for moment in 1 2 3 4 5 6 7 8 9 10; do
    kubectl get --raw /readyz || return 1
    sleep 0.5
  done
}

# await_kubelet WHAT HOW-TO-FIX: waits for the kubelet that was just started; fails with its log, and says that WHAT does
# not run.
await_kubelet() {
  if ! await 60 "the kubelet" curl -fsS http://127.0.0.1:10248/healthz; then
    journalctl -u kubelet -n 10 --no-pager -o cat >&2 || true
    fail "$1 that does not run (its log is above)" "systemctl is-active kubelet" "$2"
  fi
}
