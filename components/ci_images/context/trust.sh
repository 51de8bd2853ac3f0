#!/bin/sh
# Runs in an image while it is built: the certificates beside this file into the system's store, whatever the system is.
# Made by auto-devops; in plain sh, since small images have no other shell.
set -eu

here=/usr/local/share/auto-devops
cat "$here"/*.crt >"$here/ca.pem"

bundles="/etc/ssl/certs/ca-certificates.crt /etc/ssl/cert.pem /etc/ssl/ca-bundle.pem /etc/pki/tls/certs/ca-bundle.crt"
if command -v update-ca-certificates >/dev/null 2>&1; then
  # Debian and Alpine: one file per certificate.
  mkdir -p /usr/local/share/ca-certificates
  for certificate in "$here"/*.crt; do
    cp "$certificate" "/usr/local/share/ca-certificates/auto-devops-$(basename "$certificate")"
  done
  update-ca-certificates >/dev/null
else
  done=
  for bundle in $bundles; do
    # One of them is often a link to another.
    target=$(readlink -f "$bundle" 2>/dev/null || echo "$bundle")
    if [ -f "$target" ]; then
      case " $done " in
      *" $target "*) ;;
      *)
        cat "$here/ca.pem" >>"$target"
        done="$done $target"
        ;;
      esac
    fi
  done
  if [ -z "$done" ]; then
    mkdir -p /etc/ssl/certs
    cp "$here/ca.pem" /etc/ssl/certs/ca-certificates.crt
  fi
fi

# The whole store under one name, for programs that are told where it is.
for bundle in $bundles; do
  if [ -f "$bundle" ]; then
    cp "$bundle" "$here/bundle.pem"
    break
  fi
done
