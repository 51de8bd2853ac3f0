# shellcheck shell=bash
# Functions of the scripts that bring Kubernetes' programs to a machine. VERSION and KUBERNETES_URL are the command's.
set -euo pipefail

binaries=/usr/local/bin
case "$(uname -m)" in
x86_64) architecture=amd64 ;;
aarch64) architecture=arm64 ;;
*) fail "a machine of kind $(uname -m)" "x86_64 or aarch64" "choose another machine" ;;
esac

# download URL FILE: fetches a file whose SHA-256 stands beside it.
download() {
  local wanted got
  if ! wanted=$(curl -sSfL --retry 5 --retry-connrefused --max-time 60 "$1.sha256" 2>"$FILES/curl"); then
    fail "$1.sha256 not to be had: $(cat "$FILES/curl")" "a Kubernetes version that exists there, and a source within reach" \
      "check kubernetes.version ($VERSION) and mirrors.kubernetes, mirrors.cni; on $(hostname): curl -I $1"
  fi
  wanted=${wanted%% *}
  if ! curl -sSfL --retry 5 --retry-connrefused -o "$2" "$1" 2>"$FILES/curl"; then
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

# get_program PROGRAM: the program in VERSION.
get_program() {
  if [ "$(version_of "$1")" = "v$VERSION" ]; then return 0; fi
  say "downloading $1 v$VERSION"
  download "$KUBERNETES_URL/release/v$VERSION/bin/linux/$architecture/$1" "$FILES/$1"
  place "$FILES/$1" "$binaries/$1" 755
}

# await_kubelet WHAT HOW-TO-FIX: waits for the kubelet that was just started; fails with its log, and says that WHAT does
# not run.
await_kubelet() {
  if ! await 60 "the kubelet" curl -fsS http://127.0.0.1:10248/healthz; then
    journalctl -u kubelet -n 10 --no-pager -o cat >&2 || true
    fail "$1 that does not run (its log is above)" "systemctl is-active kubelet" "$2"
  fi
}
