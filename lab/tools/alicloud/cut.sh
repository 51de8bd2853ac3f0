#!/usr/bin/env bash
# cut.sh MODULE DIRECTORY: what DNS needs of upstream's provider, from its module in Go's cache (read-only) into DIRECTORY.
# Whole, the package takes 6.5 GB to compile.
set -euo pipefail
module=$1 directory=$2

files=(
  common.go errors.go validators.go diff_suppress_funcs.go tags.go data_source_alicloud_common.go
  extension_{ecs,ots,slb,tags,vpc}.go
  resource_alicloud_alidns_{domain,record}.go data_source_alicloud_alidns_{domains,records}.go
  # Others that these mention: constants of services, and the service whose tags tags.go has.
  service_alicloud_{alidns,cen,ecs,vpc}.go
)

rm -rf "$directory"
install -d "$directory/alicloud"
install -m 644 "$module"/{go.mod,go.sum} "$directory"
for package in connectivity helper; do
  install -d "$directory/alicloud/$package"
  install -m 644 "$module/alicloud/$package"/*.go "$directory/alicloud/$package"
done
rm -f "$directory"/alicloud/*/*_test.go
install -m 644 "${files[@]/#/$module/alicloud/}" "$directory/alicloud"

# The tables of resources and data sources, without all others: an entry is a line.
awk '!/^[[:space:]]+"alicloud_[a-z0-9_]+": +(resource|dataSource)/ || /"alicloud_alidns_(domains?|records?)":/' \
  "$module/alicloud/provider.go" >"$directory/alicloud/provider.go"
