#!/bin/sh
# What the container runs. Before nginx, and only before nginx, the executable files of /docker-entrypoint.d run in
# the order of their names: *.envsh in this shell (so that they can set variables), *.sh as programs of their own.
set -eu

say() {
  if [ -z "${NGINX_ENTRYPOINT_QUIET_LOGS:-}" ]; then
    printf '%s: %s\n' "$0" "$*"
  fi
}

prepare() {
  for file in $(find /docker-entrypoint.d/ -follow -type f | sort -V); do
    if [ ! -x "$file" ]; then
      say "leaving out $file: it is not executable"
      continue
    fi
    case $file in
      *.envsh)
        say "sourcing $file"
        # shellcheck source=/dev/null
        . "$file"
        ;;
      *.sh)
        say "running $file"
        "$file"
        ;;
      *) say "leaving out $file: neither .sh nor .envsh" ;;
    esac
  done
  say 'configuration complete'
}

case "${1-}" in
  nginx | nginx-debug) prepare ;;
esac
exec "$@"
