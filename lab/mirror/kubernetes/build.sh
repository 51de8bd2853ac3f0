#!/usr/bin/env bash
# Builds the programs of one component at one version into a directory: build.sh COMPONENT VERSION DIRECTORY.
#
# COMPONENT/VERSION/go.mod names the programs (its `tool` lines) and pins all they are made from. They get their version
# as upstream's own builds do, are static, and so run on any machine and in an image without anything else.
set -euo pipefail

if [[ $# -ne 3 ]]; then
  printf 'build.sh: expected COMPONENT VERSION DIRECTORY; got: %s\n' "$*" >&2
  exit 2
fi
component=$1 version=$2
mkdir -p "$3"
directory=$(cd "$3" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/$component/$version"

# The linker's flags that set PACKAGE.NAME=VALUE, as `-X` wants them.
flags=(-s -w)
set_variables() {
  local package=$1 variable
  shift
  for variable in "$@"; do
    flags+=(-X "$package.$variable")
  done
}

case $component in
  kubernetes)
    IFS=. read -r major minor _ <<<"${version#v}"
    for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
      set_variables "$package" "gitVersion=$version" "gitMajor=$major" "gitMinor=$minor" gitTreeState=clean
    done
    ;;
  metrics-server) set_variables k8s.io/client-go/pkg/version "gitVersion=$version" ;;
  helm) set_variables helm.sh/helm/v4/internal/version "version=$version" ;;
  cni-plugins)
    set_variables github.com/containernetworking/plugins/pkg/utils/buildversion "BuildVersion=$version"
    ;;
  local-path-provisioner) set_variables main "VERSION=$version" ;;
  coredns | etcd) ;; # they have their version in their source
  *)
    printf 'build.sh: unknown component %s\n' "$component" >&2
    exit 2
    ;;
esac

CGO_ENABLED=0 GOWORK=off go build -v -trimpath -ldflags "${flags[*]}" -o "$directory/" tool

case $component in
  kubernetes)
    # The images that a cluster of this version is made from; the mirror has just these.
    "$directory/kubeadm" config images list --kubernetes-version "$version" >"$directory/images.txt"
    ;;
  etcd) mv "$directory/server" "$directory/etcd" ;; # Go names a program after its package
esac
