# shellcheck shell=bash
# A token for one node to join with, good for two hours, and the hash of the cluster's CA: "token hash".
set -euo pipefail

export KUBECONFIG=/etc/kubernetes/admin.conf
need kubectl "pulumi config set auto-devops:repair \"$(date -I)\" && pulumi up, which brings it back"
if ! await 120 "the API server" kubectl get --raw /readyz; then
  fail "an API server that does not answer" "kubectl get --raw /readyz to say ok" \
    "on $(hostname): tail /var/log/pods/kube-system_kube-apiserver-*/kube-apiserver/*.log, or journalctl -u kubelet"
fi
token=$(kubeadm token create --ttl 2h --description "auto-devops: node $NODE joins")
hash=$(openssl x509 -in /etc/kubernetes/pki/ca.crt -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum | cut -d' ' -f1)
printf '%s sha256:%s' "$token" "$hash"
