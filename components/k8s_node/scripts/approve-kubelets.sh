#!/usr/bin/env bash
# Approves the serving certificates that this cluster's kubelets ask for, at their start and before each expiry, so that
# whoever talks to a kubelet can check it. Made by auto-devops; run by auto-devops-approve-kubelets.timer.
#
# Approved is only what a node asks for itself: the API server lets nobody but that node use the name in `username`, and
# signs no names but those in the request, which must be the node's own.
set -euo pipefail

export KUBECONFIG=/etc/kubernetes/admin.conf
kubectl get csr -o jsonpath='{range .items[?(@.spec.signerName=="kubernetes.io/kubelet-serving")]}{.metadata.name}{" "}{.spec.username}{" "}{.status.conditions[*].type}{"\n"}{end}' |
  while read -r name username conditions; do
    [ -z "$conditions" ] || continue
    node=${username#system:node:}
    address=$(kubectl get node "$node" -o jsonpath='{.status.addresses[?(@.type=="InternalIP")].address}' 2>/dev/null) || continue
    names=$(kubectl get csr "$name" -o jsonpath='{.spec.request}' | base64 -d | openssl req -noout -text |
      sed -n '/Subject Alternative Name/{n;p}' | tr -d ' ' | tr ',' '\n')
    foreign=$(printf '%s\n' "$names" | grep -vxF -e "DNS:$node" -e "IPAddress:$address" || true)
    if [ -n "$foreign" ]; then
      printf 'not approved: %s of %s asks for %s\n' "$name" "$username" "$foreign" >&2
      continue
    fi
    kubectl certificate approve "$name"
  done
