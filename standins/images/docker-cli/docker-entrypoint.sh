#!/bin/sh
# What the container runs. As the official image: options and docker's own commands go to docker, anything else is run
# as it is. Where nobody says which engine is meant and no socket is there, it is the service called docker.
set -eu

if [ -z "${DOCKER_HOST:-}" ] && [ ! -S /var/run/docker.sock ]; then
  certificates=${DOCKER_TLS_CERTDIR:-}/client
  if [ -n "${DOCKER_TLS_CERTDIR:-}" ] && [ -s "$certificates/ca.pem" ] && [ -s "$certificates/key.pem" ]; then
    export DOCKER_HOST=tcp://docker:2376 DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH="${DOCKER_CERT_PATH:-$certificates}"
  else
    export DOCKER_HOST=tcp://docker:2375
  fi
fi

case "${1-}" in
  -*) exec docker "$@" ;;
  help) exec docker "$@" ;;
esac
# docker shows help for a command that it has, and fails for one that it does not.
if [ $# -gt 0 ] && ! command -v "$1" >/dev/null 2>&1 && docker help "$1" >/dev/null 2>&1; then
  exec docker "$@"
fi
exec "$@"
