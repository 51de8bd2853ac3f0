#!/usr/bin/env bash
# renew-certificates KUBERNETES STATE: renews the control plane's certificates, which are kubeadm's, when one of them is in the
# last quarter of its life (of a year, as kubeadm issues them: its last 91 days). KUBERNETES is kubeadm's directory; STATE
# is where an unfinished renewal is remembered. Made by auto-devops; run by auto-devops-renew-certificates.timer.
set -euo pipefail

directory=$1 pending=$2/kubernetes-certificates
export KUBECONFIG=$directory/admin.conf

# By the timer and by pulumi at once: one after the other.
exec 9<"$directory"
flock 9

# await SECONDS WHAT COMMAND...: runs COMMAND until it succeeds.
await() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS >= end)); then
      printf 'no %s; see journalctl -u kubelet, and /var/log/pods\n' "$what" >&2
      exit 1
    fi
    sleep 0.5
  done
}

# due FILE: whether the certificate in FILE, which may be a kubeconfig, is in the last quarter of its life.
due() {
  local pem start end
  pem=$(sed -n 's/^ *client-certificate-data: //p' "$1" | base64 -d)
  start=$(openssl x509 -noout -startdate <<<"${pem:-$(<"$1")}")
  end=$(openssl x509 -noout -enddate <<<"${pem:-$(<"$1")}")
  start=$(date -d "${start#*=}" +%s) end=$(date -d "${end#*=}" +%s)
  (($(date +%s) >= end - (end - start) / 4))
}

for file in "$directory"/pki/*.crt "$directory"/pki/etcd/*.crt \
  "$directory"/{admin,super-admin,controller-manager,scheduler}.conf; do
  # CAs live ten years, and everything would have to trust others. The kubelets see to their own certificates.
  case $file in *ca.crt) continue ;; esac
  if [ ! -e "$file" ] || ! due "$file"; then continue; fi
  echo "$file is in the last quarter of its life: renewing all"
  mkdir -p "$2"
  touch "$pending"
  kubeadm certs renew all
  break
done
if [ ! -e "$pending" ]; then exit 0; fi

# running NAME: the ids of the containers NAME of the control plane that run. By containerd's own client: not every
# distribution has crictl.
running() {
  local id tasks
  tasks=$(ctr -n k8s.io tasks ls | awk '$3 == "RUNNING" { print $1 }')
  for id in $(ctr -n k8s.io containers ls -q "labels.\"io.kubernetes.pod.namespace\"==kube-system,labels.\"io.kubernetes.container.name\"==$1"); do
    if grep -qxF "$id" <<<"$tasks"; then echo "$id"; fi
  done
}

# another NAME OLD: whether NAME runs, and not as the containers OLD.
another() {
  local now
  now=$(running "$1")
  [ -n "$now" ] && ! grep -qxF "$2" <<<"$now"
}

# The processes have the old ones until they start anew, which the kubelet sees to when they end. Their manifests stay where
# they are, so that nothing is missing if this is killed.
for name in etcd kube-apiserver kube-controller-manager kube-scheduler; do
  if [ ! -e "$directory/manifests/$name.yaml" ]; then continue; fi
  old=$(running "$name")
  for id in $old; do ctr -n k8s.io tasks kill -s SIGTERM "$id" || true; done
  await 400 "$name after its end" another "$name" "$old"
  if [ "$name" = kube-apiserver ]; then await 180 "API server that is ready" kubectl get --raw /readyz; fi
done
await 180 "API server that is ready" kubectl get --raw /readyz
rm -f "$pending"
