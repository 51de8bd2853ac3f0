#!/usr/bin/env bash
# auto-devops-host-ports: the pods' host ports have their firewall rules again where somebody has taken them away. Made by
# auto-devops; auto-devops-pod-network.service runs it.
#
# The portmap plugin makes them when a pod begins, and nobody does it anew. It may be asked as often as one likes
# (containernetworking/plugins v1.9.1, plugins/meta/portmap/chain.go, setup), with what libcni has kept of that time
# (containernetworking/cni v1.3.0, libcni/api.go, cachedInfo).
set -euo pipefail

for kept in /var/lib/cni/results/auto-devops-*; do
  if [ ! -e "$kept" ]; then continue; fi
  # Those without such ports have no rules.
  pod=$(jq -r 'select(.capabilityArgs.portMappings // [] | length > 0)
    | [.containerId, .ifName, ([.result.interfaces[]?.sandbox // empty][0] // "")] | join(" ")' "$kept")
  read -r container interface namespace <<<"$pod"
  # Pods of before a reboot are gone.
  if [ ! -e "$namespace" ]; then continue; fi
  jq '(.config | @base64d | fromjson) as $network
    | ($network.plugins[] | select(.type == "portmap"))
    + { cniVersion: $network.cniVersion, name: $network.name, prevResult: .result,
        runtimeConfig: { portMappings: .capabilityArgs.portMappings } }' "$kept" |
    CNI_COMMAND=ADD CNI_CONTAINERID=$container CNI_IFNAME=$interface CNI_NETNS=$namespace CNI_PATH=/opt/cni/bin \
      /opt/cni/bin/portmap >/dev/null
done
