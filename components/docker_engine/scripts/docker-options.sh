#!/usr/bin/env bash
# auto-devops-docker-options: makes the file that the engine reads out of the user's daemon.json and the stack's options.
# Made by auto-devops; the unit runs it at each start and reload, so that the user's file goes on being what one edits.
#
# In one file, since dockerd refuses an option that is both a flag and in its file (moby v20.10.24 and v26.1.5,
# daemon/config/config.go, findConfigurationConflicts).
set -euo pipefail

theirs=/etc/docker/daemon.json
ours=/etc/docker/auto-devops/options.json
merged=/etc/docker/auto-devops/daemon.json

if ! command -v jq >/dev/null && [ -s "$merged" ]; then
  echo "jq is missing: going on with $theirs as it was when this last ran" >&2
  exit 0
fi
if [ ! -f "$theirs" ]; then theirs=/dev/null; fi

# The stack says where the engine listens and whom it lets in; everything else is the user's word where there is one. Only
# two drivers know max-size and max-file; with another the engine would not start (moby v26.1.5, daemon/logger/factory.go,
# ValidateLogOpts).
jq --null-input --slurpfile theirs "$theirs" --slurpfile ours "$ours" '
  ($theirs[0] // {}) as $theirs | $ours[0] as $ours
  | (($theirs["registry-mirrors"] // []) | . + (($ours["registry-mirrors"] // []) - .)) as $mirrors
  | ($theirs["log-driver"] // "json-file" | . == "json-file" or . == "local") as $bounded
  | $ours + $theirs + ($ours | with_entries(select(.key | . == "hosts" or startswith("tls"))))
  | if $mirrors == [] then del(.["registry-mirrors"]) else .["registry-mirrors"] = $mirrors end
  | if $bounded then .["log-opts"] = $ours["log-opts"] + ($theirs["log-opts"] // {})
    elif $theirs["log-opts"] then .
    else del(.["log-opts"]) end
' >"$merged.new"
chmod 600 "$merged.new"
mv "$merged.new" "$merged"
