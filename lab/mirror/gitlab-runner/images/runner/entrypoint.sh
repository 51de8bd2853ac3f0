#!/bin/sh
# What the container runs. As the official image: a CA beside the configuration is trusted by everything in here.
set -eu

ca=${CA_CERTIFICATES_PATH:-/etc/gitlab-runner/certs/ca.crt}
installed=/usr/local/share/ca-certificates/ca.crt
if [ -f "$ca" ] && ! cmp -s "$ca" "$installed"; then
  cp "$ca" "$installed"
  update-ca-certificates --fresh >/dev/null
fi

exec gitlab-runner "$@"
