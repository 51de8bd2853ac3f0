#!/usr/bin/env bash
# What there is on a machine, one thing a line: kind, tab, thing. Two snapshots differ by what was left behind.
set -u

kind() { sed "s/^/$1\t/"; }

dpkg-query -W -f '${Package} ${db:Status-Status}\n' | kind package
cut -d: -f1,3 /etc/passwd | kind user
cut -d: -f1,4 /etc/group | sed 's/:[0-9]*//' | kind group
# Backups of account files, the linker's cache and lists of alternatives change with any package, and say nothing.
find /etc /usr/local /root /home /opt /srv /var/lib/auto-devops /var/lib/systemd/timers /var/spool/cron -xdev -type f \
  ! -path '/etc/*-' ! -name .pwd.lock ! -name ld.so.cache ! -path '/root/.*' \
  -exec md5sum {} + 2>/dev/null | sort -k2 | kind file
find /etc /usr/local /srv /run -xdev -maxdepth 4 -type l -printf '%p -> %l\n' 2>/dev/null | grep -v '^/run/udev' |
  grep -v '^/run/systemd/\(units\|generator\)' | sort | kind link
find /run -xdev -maxdepth 1 -name '*docker*' -o -maxdepth 1 -name 'auto-devops*' -o -maxdepth 1 -name '*named*' | sort | kind run
systemctl list-unit-files --no-legend --no-pager | awk '{ print $1, $2 }' | sort | kind unit
systemctl list-timers --all --no-legend --no-pager | grep -o '[^ ]*\.timer' | sort | kind timer
ip -br link | awk '{ print $1 }' | sed 's/@.*//' | sort | kind interface
ip route | sort | kind route
for tables in iptables ip6tables; do
  if command -v "$tables-save" >/dev/null; then
    # Chains that are empty and accept are there as soon as anyone has looked.
    "$tables-save" | grep -v '^#' | grep -vE '^:(INPUT|FORWARD|OUTPUT|PREROUTING|POSTROUTING) ACCEPT' |
      grep -vE '^(\*.*|COMMIT)$' | grep -vw 127.0.0.11 | sed 's/\[[0-9:]*\]//' | sort | kind rule
  fi
done
# Those of nftables' own, and what iptables has made, where it is gone already.
if command -v nft >/dev/null; then
  nft -s list ruleset | awk '
    $1 == "table" { table = $2 " " $3; next }
    $1 == "chain" { chain = $2; base = 0; next }
    $1 == "type" && / hook / { base = 1; if (/policy accept/) next }
    $1 == "}" { if (chain != "" && !base) print table, chain; chain = ""; next }
    NF { $1 = $1; print table, chain, $0 }' | sort | kind nft
fi
# 127.0.0.11 is the name server of the engine that carries the machine as a container.
ss -Hlntup | grep -vF 127.0.0.11 | awk '{ print $1, $5 }' | sort -u | kind port
findmnt -rno TARGET | grep -vE '^/(proc|sys|dev)' | sort | kind mount
find /var/lib/docker /var/lib/containerd /var/lib/bind /var/cache/bind \
  /var/lib/kubelet /var/lib/etcd /var/lib/cni /var/lib/auto-devops-volumes /var/log/pods -maxdepth 1 -mindepth 1 2>/dev/null |
  sort | kind data
pgrep -l 'docker|containerd|named|nginx|registry|^kubelet$|^etcd$|^kube-' | cut -d' ' -f2 | sort -u | kind process
if command -v docker >/dev/null && docker info >/dev/null 2>&1; then
  docker ps --all --no-trunc --format '{{.Names}} {{.ID}} {{.State}}' | sort | kind container
  docker image ls --all --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}' | sort | kind image
  docker volume ls --format '{{.Name}} {{.Driver}}' | sort | kind volume
  docker network ls --no-trunc --filter type=custom --format '{{.Name}} {{.ID}}' | kind network
fi
