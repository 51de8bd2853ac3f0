# shellcheck shell=bash
# Brings a changed kubeadm configuration to a node that runs. ROLE is control-plane or worker; a control plane has the
# configuration in kubeadm.yaml, a worker takes the kubelet's from the cluster, whose text CONFIGURATION tells apart.
# Nothing is done where the node has it already. The version is the upgrade's business: here it stays what it is.
set -euo pipefail

# shellcheck source=components/k8s_node/scripts/programs.sh
. "$FILES/programs.sh"
export KUBECONFIG=/etc/kubernetes/admin.conf
applied="$STATE/kubernetes-configuration"
if [ "$ROLE" = control-plane ]; then
  sed "s/^kubernetesVersion: .*/kubernetesVersion: $(version_of kubelet)/" "$FILES/kubeadm.yaml" >"$FILES/wanted"
else
  printf '%s\n' "$CONFIGURATION" >"$FILES/wanted"
fi

# Made by init or join just now, with this very configuration.
if [ ! -e "$applied" ]; then
  mkdir -p "$STATE"
  install -m 600 "$FILES/wanted" "$applied"
fi
if cmp -s "$FILES/wanted" "$applied"; then exit 0; fi

phase() {
  if ! kubeadm "$@" >"$FILES/log" 2>&1; then
    tail -n 15 "$FILES/log" >&2
    fail "kubeadm $1 $2 $3 $4 that failed (its last words are above)" "the node with its new configuration" \
      "correct what it names, under auto-devops:kubernetes.kubeadm, then run pulumi up again"
  fi
}

if [ "$ROLE" = control-plane ]; then
  for key in podSubnet serviceSubnet dnsDomain; do
    was=$(sed -n "s/^  $key: //p" "$applied") wanted=$(sed -n "s/^  $key: //p" "$FILES/wanted")
    if [ "$was" != "$wanted" ]; then
      fail "$key ${wanted:-of the default} wanted, ${was:-the default} in use" "no change: every pod and service has an address or a name of it" \
        "set it back; or pulumi destroy, and pulumi up for a new cluster"
    fi
  done
  say "the control plane gets its changed configuration"
  phase init phase upload-config all --config "$FILES/wanted"
  rm -f /etc/kubernetes/pki/apiserver.crt /etc/kubernetes/pki/apiserver.key # made anew: its names may be others
  phase init phase certs apiserver --config "$FILES/wanted"
  phase init phase control-plane all --config "$FILES/wanted"
  phase init phase etcd local --config "$FILES/wanted"
  if ! await 180 "the API server" kubectl get --raw /readyz; then
    fail "an API server that does not start with the changed configuration" "kubectl get --raw /readyz to say ok" \
      "on $(hostname): crictl ps -a, and crictl logs of what ended; then correct auto-devops:kubernetes.kubeadm"
  fi
  phase init phase addon kube-proxy --config "$FILES/wanted"
  kubectl -n kube-system rollout restart daemonset/kube-proxy >/dev/null
fi

say "the kubelet gets its changed configuration"
if [ "$ROLE" = control-plane ]; then
  phase upgrade node phase kubelet-config
else
  KUBECONFIG=/etc/kubernetes/kubelet.conf phase upgrade node phase kubelet-config
fi
systemctl restart kubelet
await_kubelet "a kubelet with the changed configuration" \
  "correct auto-devops:kubernetes.kubeadm.KubeletConfiguration, then run pulumi up again"
install -m 600 "$FILES/wanted" "$applied"
