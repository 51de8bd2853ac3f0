#!/bin/sh
# What the container runs. As the official image: a CA that is mounted is trusted by everything in here.
set -eu

ca=${CA_CERTIFICATES_PATH:-/etc/gitlab-runner/certs/ca.crt}
if [ -f "$ca" ]; then
  cp "$ca" /usr/local/share/ca-certificates/ca.crt
  update-ca-certificates --fresh >/dev/null
fi

exec "$@"
