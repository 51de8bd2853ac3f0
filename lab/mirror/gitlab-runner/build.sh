#!/usr/bin/env bash
# Builds gitlab-runner and gitlab-runner-helper into a directory: build.sh DIRECTORY.
#
# go.mod pins GitLab Runner and all that it is made from. A copy of its sources gets the files below without/gitlab-runner in place of
# its own (README.md says why), and is what the programs are built from. They are static and have upstream's version in them.
set -euo pipefail

if [[ $# -ne 1 ]]; then
  printf 'build.sh: expected DIRECTORY; got: %s\n' "$*" >&2
  exit 2
fi
mkdir -p "$1"
directory=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")"
export GOWORK=off CGO_ENABLED=0

module=gitlab.com/gitlab-org/gitlab-runner
go mod download "$module" # checked against go.sum
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r --no-preserve=mode "$(go list -m -f '{{.Dir}}' "$module")" "$work/source"
while read -r -d '' file; do
  if [[ ! -f $work/source/$file ]]; then
    printf 'build.sh: without/gitlab-runner/%s takes the place of nothing: GitLab Runner has no such file\n' "$file" >&2
    exit 1
  fi
  cp "without/gitlab-runner/$file" "$work/source/$file"
done < <(cd without/gitlab-runner && find . -name '*.go' -printf '%P\0')

# The drivers of distributed caches, of which there are none here, are a third of all that would be compiled.
sed -i '/^\t_ "gocloud.dev\/blob\//d' "$work"/source/commands/helpers/cache_{archiver,extractor}.go

cp go.mod go.sum "$work/"
go mod edit -replace "$module=$work/source" "$work/go.mod"
for absent in without/*/go.mod; do
  go mod edit -replace "$(sed -n 's/^module //p' "$absent")=$PWD/${absent%/go.mod}" "$work/go.mod"
done

revision=$(go list -m -f '{{.Version}}' "$module")
package=$module/common
go build -v -trimpath -modfile "$work/go.mod" \
  -ldflags "-s -w -X $package.VERSION=$(<"$work/source/VERSION") -X $package.REVISION=${revision: -12:8} -X $package.BRANCH=HEAD" \
  -o "$directory/" ./cmd/...
