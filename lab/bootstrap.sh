#!/bin/bash
# Brings a fresh Debian machine to where `python -m lab` runs, then becomes it: bootstrap.sh COMMAND [ARGUMENT…].
#
# Installs only the Debian packages that are missing, and makes the Python environment anew when what it is made from
# changed. `bootstrap.sh --python ARGUMENT…` runs the environment's python instead of the lab.
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=$HOME/.cache/auto-devops
venv=$cache/venv

packages=(
  debootstrap skopeo docker.io containerd runc iptables iproute2 openssh-client openssl tar git
  shellcheck ca-certificates debian-archive-keyring xfsprogs e2fsprogs
  openssh-server # tests/scripts have the real sshd read what the scripts write; it serves nobody
)

problems=()
# shellcheck source=/dev/null
if ! [[ -r /etc/os-release ]] || [[ $(. /etc/os-release && echo "${ID:-}:${VERSION_ID:-}") != debian:12 ]]; then
  problems+=("needs Debian 12; this is $(. /etc/os-release 2>/dev/null && echo "${PRETTY_NAME:-unknown}")")
fi
[[ $EUID -eq 0 ]] || problems+=("needs root (it makes machines, a bridge and firewall rules); run it as root")
python=$(command -v python3 || true)
if [[ -n $python ]] && ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  problems+=("needs Python >= 3.11; $python is $("$python" --version)")
fi
if ! command -v go >/dev/null; then
  problems+=("needs Go >= 1.26 on PATH; there is none (Debian's own is older: see the Go project's download page)")
elif version=$(GOTOOLCHAIN=local go env GOVERSION) && [[ $(printf '%s\n' go1.26 "$version" | sort -V | head -n1) != go1.26 ]]; then
  problems+=("needs Go >= 1.26; $(command -v go) is $version")
fi
if ((${#problems[@]})); then
  printf 'The lab %s.\n' "${problems[@]}" >&2
  exit 1
fi

missing=()
[[ -n $python ]] || packages+=(python3)
for package in "${packages[@]}"; do
  [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
done
if [[ -z $python || $python == /usr/bin/python3 ]]; then
  [[ $(dpkg-query -W -f '${db:Status-Status}' python3-venv 2>/dev/null) == installed ]] || missing+=(python3-venv)
fi
if ((${#missing[@]})); then
  echo "Installing Debian packages: ${missing[*]}"
  # A service of a package that comes along must not start, nor at the next boot: the lab runs an engine of its own.
  policy=/usr/sbin/policy-rc.d
  policy_is_ours=
  if [[ ! -e $policy ]]; then
    policy_is_ours=yes
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
  fi
  log=$(mktemp)
  if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    -o DPkg::Lock::Timeout=300 "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "Installing failed; the whole output is in $log. Fix what it names, then run the same command again." >&2
    exit 1
  fi
  rm -f "$log"
  if [[ -n $policy_is_ours ]]; then
    # `exec` below would not run the trap.
    rm -f "$policy"
    trap - EXIT
  fi
  if [[ -d /run/systemd/system ]]; then
    [[ " ${missing[*]} " != *" docker.io "* ]] || systemctl --quiet disable docker.service docker.socket containerd.service
    [[ " ${missing[*]} " != *" openssh-server "* ]] || systemctl --quiet disable ssh.service
  fi
  python=$(command -v python3)
fi

mkdir -p "$cache"
# The environment is one writer's at a time: `make unit` may start while `make up` is under way.
exec 9>"$cache/venv.lock"
flock 9
requirements=("$repository"/requirements*.txt)
version=$("$python" --version)
stamp=$version$(cat "${requirements[@]}" | sha256sum)
if [[ ! -f $venv/stamp || $(<"$venv/stamp") != "$stamp" ]]; then
  echo "Making the Python environment $venv"
  # Only another Python calls for a new one: a run that is under way goes on using the one that is there.
  if [[ $("$venv/bin/python" --version 2>/dev/null) != "$version" ]]; then
    "$python" -m venv --clear "$venv"
  fi
  "$venv/bin/pip" install --quiet --disable-pip-version-check "${requirements[@]/#/--requirement=}"
  echo "$stamp" >"$venv/stamp"
fi
flock -u 9
exec 9>&-

cd "$repository"
if [[ ${1:-} == --python ]]; then
  shift
  # Wherever none is to be written, pytest would compile and rewrite every test again in each of its processes.
  unset PYTHONDONTWRITEBYTECODE
  exec "$venv/bin/python" "$@"
fi
exec "$venv/bin/python" -m lab "$@"
