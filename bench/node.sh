#!/usr/bin/env bash
# What an engineer would type: a bare Debian machine becomes a single-node Kubernetes cluster. The yardstick of
# bench/nodes.py; the same packages, programs, images and settings as the component's, and none of its care (no look
# before, no memory of what was there, no second run). Its files come in $FILES.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive KUBECONFIG=/etc/kubernetes/admin.conf

apt-get -q update
apt-get -q install -y --no-install-recommends ca-certificates openssl containerd runc iptables conntrack ethtool socat iproute2 curl
cp "$FILES/mirror.crt" /usr/local/share/ca-certificates/
update-ca-certificates

modprobe overlay || true
modprobe br_netfilter || true
printf 'net.ipv4.ip_forward = 1\n' >/etc/sysctl.d/90-kubernetes.conf
sysctl -p /etc/sysctl.d/90-kubernetes.conf

for program in kubeadm kubelet kubectl; do
  url=$KUBERNETES_URL/release/v$VERSION/bin/linux/amd64/$program
  curl -sSfLo "/usr/local/bin/$program" "$url"
  echo "$(curl -sSfL "$url.sha256")  /usr/local/bin/$program" | sha256sum --check
  chmod 755 "/usr/local/bin/$program"
done
mkdir -p /opt/cni/bin /etc/cni/net.d
archive=cni-plugins-linux-amd64-v$CNI_VERSION.tgz
curl -sSfLo "/tmp/$archive" "$CNI_URL/v$CNI_VERSION/$archive"
(cd /tmp && curl -sSfL "$CNI_URL/v$CNI_VERSION/$archive.sha256" | sha256sum --check)
tar -xzf "/tmp/$archive" -C /opt/cni/bin

mkdir -p /etc/containerd
pause=$(kubeadm config images list --kubernetes-version "v$VERSION" | grep /pause:)
sed "s#@PAUSE@#$pause#" "$FILES/containerd.toml" >/etc/containerd/config.toml
for pair in $REGISTRIES; do
  mkdir -p "/etc/containerd/certs.d/${pair%%=*}"
  printf 'server = "https://%s"\n\n[host."https://%s"]\n  capabilities = ["pull", "resolve"]\n' "${pair%%=*}" "${pair#*=}" \
    >"/etc/containerd/certs.d/${pair%%=*}/hosts.toml"
done
systemctl restart containerd

mkdir -p /etc/systemd/system/kubelet.service.d
cp "$FILES/kubelet.service" /etc/systemd/system/
cp "$FILES/10-kubeadm.conf" /etc/systemd/system/kubelet.service.d/
ln -s /etc/resolv.conf /etc/kubelet-resolv.conf
systemctl daemon-reload
systemctl enable kubelet

kubeadm config images pull --config "$FILES/kubeadm.yaml"
kubeadm init --config "$FILES/kubeadm.yaml"
until cidr=$(kubectl get node "$NODE" -o jsonpath='{.spec.podCIDR}') && [ -n "$cidr" ]; do sleep 0.2; done
sed "s#@SUBNET@#$cidr#" "$FILES/cni.conflist" >/etc/cni/net.d/10-pods.conflist
iptables -t nat -A POSTROUTING -s "$cidr" ! -d "$cidr" -j MASQUERADE
kubectl wait --for=condition=Ready "node/$NODE" --timeout=120s
