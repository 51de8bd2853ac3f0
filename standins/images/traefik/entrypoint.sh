#!/bin/sh
# What the container runs. As upstream's image: options and traefik's own subcommands go to traefik, anything else is
# run as it is (a shell, for looking around).
set -eu

case "${1-}" in
  traefik) exec "$@" ;;
  '' | -*) exec traefik "$@" ;;
esac
if traefik "$1" --help >/dev/null 2>&1; then
  exec traefik "$@"
fi
exec "$@"
