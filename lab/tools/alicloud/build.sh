#!/usr/bin/env bash
# build.sh FILE: the plugin `pulumi-resource-alicloud`, static. Its sources are cut down and built beside FILE.
set -euo pipefail
file=$(realpath -m "$1")
here=$(cd "$(dirname "$0")" && pwd)
draft=$file.draft
upstream=github.com/aliyun/terraform-provider-alicloud

rm -rf "$draft"
mkdir -p "$draft"
module=$(cd "$here" && go mod download -json "$upstream" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
"$here/cut.sh" "$module" "$draft/provider"
cp -r "$here"/{go.mod,go.sum,main.go,without} "$draft"

cd "$draft"
go mod edit -replace "$upstream=./provider"
export CGO_ENABLED=0
build=(go build -mod=mod -trimpath -ldflags "-s -w" -o)
# Its schema is made by the program itself, which then embeds it.
echo '{}' >schema.json
"${build[@]}" program .
./program schema --skip-docs --skip-examples --out schema >&2
mv schema/schema.json schema.json
"${build[@]}" "$file" .
rm -rf "$draft"
