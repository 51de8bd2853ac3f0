# shellcheck shell=bash
# Brings a changed kubeadm configuration to a node that runs. ROLE is control-plane or worker; a control plane has the
# configuration in kubeadm.yaml, a worker takes the kubelet's from the cluster, whose text CONFIGURATION tells apart.
# Nothing is done where the node has it already. The version is the upgrade's business: here it stays what it is.
set -euo pipefail

# shellcheck source=components/k8s_node/scripts/programs.sh
. "$FILES/programs.sh"
export KUBECONFIG=/etc/kubernetes/admin.conf
applied="$STATE/kubernetes-configuration"
unfinished="$STATE/kubernetes-configuring" # written before anything is changed: what is applied is not what runs
manifests=/etc/kubernetes/manifests
if [ "$ROLE" = control-plane ]; then
  of_this_version() { sed "s/^kubernetesVersion: .*/kubernetesVersion: $(version_of kubelet)/" "$1"; }
  of_this_version "$FILES/kubeadm.yaml" >"$FILES/wanted"
else
  printf '%s\n' "$CONFIGURATION" >"$FILES/wanted"
fi

# Made by init or join just now, with this very configuration.
if [ ! -e "$applied" ]; then
  mkdir -p "$STATE"
  install -m 600 "$FILES/wanted" "$applied"
fi
# An upgrade since then changed the version alone.
if [ "$ROLE" = control-plane ]; then of_this_version "$applied" >"$FILES/previous"; else cp "$applied" "$FILES/previous"; fi
if cmp -s "$FILES/wanted" "$FILES/previous" && [ ! -e "$unfinished" ]; then exit 0; fi

phase() {
  if ! kubeadm "$@" >"$FILES/log" 2>&1; then
    tail -n 15 "$FILES/log" >&2
    fail "kubeadm $1 $2 $3 $4 that failed (its last words are above)" "the node with its new configuration" \
      "correct what it names, under auto-devops:kubernetes.kubeadm, then run pulumi up again"
  fi
}

# process PORT: the process of this machine that listens there.
process() { ss -Hlntp "sport = :$1" | grep -o 'pid=[0-9]*' | sort -u || true; }

# replaced: where a manifest became another one, the old API server and the old etcd are gone, and then the API server
# stays ready.
replaced() {
  if [ -n "$old_server" ] && [ "$(process 6443)" = "$old_server" ]; then return 1; fi
  if [ -n "$old_etcd" ] && [ "$(process 2379)" = "$old_etcd" ]; then return 1; fi
  stays_ready
}

# run_control_plane CONFIGURATION: the API server, etcd and their fellows with it, without asking an API server: there may
# be none that answers.
run_control_plane() {
  local before old_server old_etcd
  before=$(mktemp -d)
  cp "$manifests/"*.yaml "$before"
  old_server=$(process 6443) old_etcd=$(process 2379)
  rm -f /etc/kubernetes/pki/apiserver.crt /etc/kubernetes/pki/apiserver.key # made anew: its names may be others
  phase init phase certs apiserver --config "$1"
  phase init phase control-plane all --config "$1"
  phase init phase etcd local --config "$1"
  if cmp -s "$before/kube-apiserver.yaml" "$manifests/kube-apiserver.yaml"; then old_server=''; fi
  if cmp -s "$before/etcd.yaml" "$manifests/etcd.yaml"; then old_etcd=''; fi
  await 180 "the API server with its configuration to stay ready for five seconds" replaced
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
  phase config images list --config "$FILES/wanted" # an invalid configuration is told before anything is changed
  touch "$unfinished"
  if ! run_control_plane "$FILES/wanted"; then
    log=$(find /var/log/pods/kube-system_kube-apiserver-* -name '*.log' -printf '%T@ %p\n' 2>/dev/null | sort -n | tail -n 1 | cut -d' ' -f2 || true)
    if [ -n "$log" ]; then tail -n 5 "$log" >&2; fi
    # Who takes the setting back must not have to know that the stack sees no difference then and would run nothing.
    say "the API server does not start; back to the previous configuration"
    outcome="the previous configuration does not run either"
    if run_control_plane "$FILES/previous"; then
      rm -f "$unfinished"
      outcome="the previous configuration runs again"
    fi
    fail "an API server that does not start with the changed configuration (its log's end is above); $outcome" \
      "kubectl get --raw /readyz to say ok" \
      "correct auto-devops:kubernetes.kubeadm, then run pulumi up again; the logs are on $(hostname):
            tail /var/log/pods/kube-system_kube-apiserver-*/kube-apiserver/*.log; journalctl -u kubelet"
  fi
  phase init phase upload-config all --config "$FILES/wanted"
  phase init phase addon kube-proxy --config "$FILES/wanted"
  kubectl -n kube-system rollout restart daemonset/kube-proxy >/dev/null
fi

touch "$unfinished"
say "the kubelet gets its changed configuration"
if [ "$ROLE" = control-plane ]; then
  phase upgrade node phase kubelet-config
else
  KUBECONFIG=/etc/kubernetes/kubelet.conf phase upgrade node phase kubelet-config
fi
systemctl restart kubelet
await_kubelet "a kubelet with the changed configuration" \
  "correct auto-devops:kubernetes.kubeadm.KubeletConfiguration, then run pulumi up again; if it is the previous value again,
            which the stack takes for unchanged, before: pulumi config set auto-devops:repair \"\$(date -Is)\""
install -m 600 "$FILES/wanted" "$applied"
rm -f "$unfinished"
