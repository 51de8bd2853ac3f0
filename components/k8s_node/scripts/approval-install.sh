# shellcheck shell=bash
# Kubelets get serving certificates from the cluster's CA, now and when they renew them.
set -euo pipefail

export KUBECONFIG=/etc/kubernetes/admin.conf
place "$FILES/approve-kubelets.sh" /usr/local/sbin/auto-devops-approve-kubelets 755
for unit in auto-devops-approve-kubelets.service auto-devops-approve-kubelets.timer; do
  place "$FILES/$unit" "/etc/systemd/system/$unit" 644
done
if [ "$CHANGED" = yes ]; then systemctl daemon-reload; fi
systemctl enable -q --now auto-devops-approve-kubelets.timer

served() {
  local name
  /usr/local/sbin/auto-devops-approve-kubelets
  for name in $EXPECTED; do
    kubectl get --raw "/api/v1/nodes/$name/proxy/healthz" || return 1
  done
}
if ! await 60 "the kubelets' certificates" served; then
  say "$(kubectl get csr 2>&1)"
  fail "kubelets without a certificate of the cluster's CA" "kubectl get csr to show them approved and issued" \
    "on $(hostname): /usr/local/sbin/auto-devops-approve-kubelets"
fi
