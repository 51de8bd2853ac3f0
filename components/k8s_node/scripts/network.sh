# shellcheck shell=bash
# The pods' network on this node: the bridge plugin on the node's own part of POD_CIDR, routes to the other nodes' parts
# (all nodes are on one network, so no overlay is needed), and masquerading on the way out. NODE is this node's name,
# NODES are "name=address=cidr" of all.
set -euo pipefail

# Marks our routes, so that those of nodes that have left are known; of the numbers free in /etc/iproute2/rt_protos.
# unnetwork.sh has it too.
protocol=144
own='' others=''
{
  printf '#!/bin/sh\n# Made by auto-devops: routes to the pods of the other nodes, and masquerading for what leaves the cluster.\nset -e\n'
  for node in $NODES; do
    IFS="=" read -r name address cidr <<<"$node"
    # shellcheck disable=SC2153 # a variable of the command
    if [ "$name" = "$NODE" ]; then
      own=$cidr
    else
      printf 'ip route replace %s via %s proto %s\n' "$cidr" "$address" "$protocol"
      others+="$cidr|"
    fi
  done
  printf 'export KUBECONFIG=/etc/kubernetes/admin.conf\n'
  printf 'ip route show proto %s | while read -r cidr _; do\n' "$protocol"
  # shellcheck disable=SC2016 # for the script that this writes
  printf '  case $cidr in %snone) continue ;; esac\n' "$others"
  # A node that leaves is drained after this, and its pods are in use until then. Who cannot ask the cluster, as a worker or
  # while the API server does not answer, keeps the way: it leads nowhere, and a reboot ends it.
  # shellcheck disable=SC2016 # likewise
  printf '%s\n' '  cidrs=$(kubectl --request-timeout=5s get nodes -o jsonpath="{.items[*].spec.podCIDR}" 2>/dev/null) || continue'
  # shellcheck disable=SC2016 # likewise
  printf '  case " $cidrs " in "  " | *" $cidr "*) ;; *) ip route delete "$cidr" proto %s || true ;; esac\ndone\n' "$protocol"
  rule="POSTROUTING -s $POD_CIDR ! -d $POD_CIDR -m comment --comment auto-devops-pods -j MASQUERADE"
  printf 'iptables -w -t nat -C %s 2>/dev/null || iptables -w -t nat -A %s\n' "$rule" "$rule"
} >"$FILES/pod-network"
if [ -z "$own" ]; then
  fail "no pod network for node $NODE among: $NODES" "a CIDR for each node" "kubectl get nodes -o jsonpath='{..podCIDR}'"
fi

place "$FILES/pod-network" /usr/local/sbin/auto-devops-pod-network 755
place "$FILES/host-ports.sh" /usr/local/sbin/auto-devops-host-ports 755
sed -i "s#@SUBNET@#$own#" "$FILES/cni.conflist"
place "$FILES/cni.conflist" /etc/cni/auto-devops/pods.conflist 644
rm -f /etc/cni/net.d/10-auto-devops.conflist # where an earlier release had it
place "$FILES/auto-devops-pod-network.service" /etc/systemd/system/auto-devops-pod-network.service 644
# For the rules of both programs; kube-proxy sees by itself within half a minute that its own are gone (k8s.io/kubernetes v1.36,
# pkg/util/iptables, Monitor).
after_nftables /etc/systemd/system/nftables.service.d/auto-devops-pods.conf '-/usr/bin/systemctl --no-block try-restart auto-devops-pod-network.service'
if [ "$CHANGED" = yes ]; then systemctl daemon-reload; fi
# systemd-networkd drops routes that it did not make whenever it restarts, as at an update of systemd.
if systemctl -q is-active systemd-networkd; then
  printf '# Made by auto-devops: routes to the pods of other nodes stay when systemd-networkd restarts.\n%s\n' \
    $'[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no' >"$FILES/networkd.conf"
  place "$FILES/networkd.conf" /etc/systemd/networkd.conf.d/auto-devops.conf 644
  restart_for systemd-networkd /etc/systemd/networkd.conf.d/auto-devops.conf
fi
systemctl enable -q auto-devops-pod-network
systemctl restart auto-devops-pod-network
