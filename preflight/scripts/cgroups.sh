# shellcheck shell=bash
# The kubelet runs on control groups of version 2, on version 1 only where it is told to (V1_FAILS=no): kubelet v1.36,
# config/v1beta1/types.go, FailCgroupV1. How to tell them apart is in Kubernetes' documentation, "About cgroup v2".
set -euo pipefail

version=$(stat -fc %T /sys/fs/cgroup)
if [ "$version" = cgroup2fs ]; then
  ok cgroups "version 2"
elif [ "$V1_FAILS" = no ]; then
  ok cgroups "version 1, as failCgroupV1 allows"
else
  refuse cgroups "version 1 ($version)" "version 2, without which the kubelet does not start" \
    "on $HOST_NAME, in /etc/default/grub: systemd.unified_cgroup_hierarchy=1 in GRUB_CMDLINE_LINUX; update-grub; reboot"
fi
