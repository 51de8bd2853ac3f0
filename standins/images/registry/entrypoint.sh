#!/bin/sh
# What the container runs. As upstream's image: a configuration file (the default) is served, the registry's own
# subcommands and options go to the registry, and anything else is run as it is (a shell, for looking around).
set -eu

case "${1-}" in
  *.yml | *.yaml) exec registry serve "$@" ;;
  '' | serve | garbage-collect | help | -*) exec registry "$@" ;;
  *) exec "$@" ;;
esac
