#!/bin/sh
# The official image's settings that this stand-in doesn't perform end the start, instead of being passed over.
set -eu

refuse() {
  printf '%s: %s is not performed by this lab stand-in for the official nginx image. %s\n' "${0##*/}" "$1" "$2" >&2
  exit 1
}

if [ -n "${NGINX_ENTRYPOINT_WORKER_PROCESSES_AUTOTUNE:-}" ]; then
  refuse NGINX_ENTRYPOINT_WORKER_PROCESSES_AUTOTUNE 'Unset it and set worker_processes in nginx.conf.'
fi

templates=${NGINX_ENVSUBST_TEMPLATE_DIR:-/etc/nginx/templates}
stream=${NGINX_ENVSUBST_STREAM_TEMPLATE_SUFFIX:-.stream-template}
if [ -d "$templates" ] && [ -n "$(find "$templates" -follow -type f -name "*$stream" | head -n 1)" ]; then
  refuse "$templates/*$stream" 'Debian packs nginx without the stream module; proxy HTTP only.'
fi
