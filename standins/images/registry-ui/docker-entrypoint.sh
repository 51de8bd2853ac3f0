#!/bin/sh
# What the container runs: nginx, once configure.sh has turned the environment into its configuration.
set -eu

case "${1-}" in
  nginx | nginx-debug) /configure.sh ;;
esac
exec "$@"
