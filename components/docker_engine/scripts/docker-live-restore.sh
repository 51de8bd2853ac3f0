#!/usr/bin/env bash
# auto-devops-docker-live-restore STEP [VALUE]: how containers that somebody else runs on this engine live through the restarts
# by which the stack comes and goes. Made by auto-devops.
#
# live-restore is one of the options that an engine takes up without a restart, on SIGHUP, and only where its file has the key
# (moby v20.10.24 and v26.1.5, daemon/reload.go, reloadLiveRestore). An engine that stops without it stops the containers, and
# so does one that starts without it (the same, daemon/daemon.go, Shutdown and restore).
#
#   write VALUE   the user's daemon.json has live-restore VALUE for the moment; it is kept as it was
#   reload VALUE  the engine that runs takes it up
#   give-back     the user's daemon.json is as it was
set -euo pipefail

file=/etc/docker/daemon.json
kept=/etc/docker/auto-devops/daemon.json.kept

case "$1" in
write)
  mkdir -p "$(dirname "$kept")"
  # The first of several writes keeps it; so does one whose predecessor was killed.
  if [ ! -e "$kept" ] && [ ! -e "$kept.none" ]; then
    if [ -e "$file" ]; then
      cp -a "$file" "$kept.new"
      mv -fT "$kept.new" "$kept"
    else
      touch "$kept.none"
    fi
  fi
  source=/dev/null
  if [ -e "$kept" ]; then source=$kept; fi
  jq --null-input --slurpfile theirs "$source" --argjson value "$2" '($theirs[0] // {}) + {"live-restore": $value}' >"$file.auto-devops-new"
  mv -fT "$file.auto-devops-new" "$file"
  ;;
reload)
  kill -HUP "$(systemctl show -p MainPID --value docker)"
  for _ in {1..50}; do
    if [ "$(docker info --format '{{.LiveRestoreEnabled}}' 2>/dev/null)" = "$2" ]; then exit 0; fi
    sleep 0.2
  done
  exit 1
  ;;
give-back)
  if [ -e "$kept.none" ]; then
    rm -f "$file" "$kept.none"
  elif [ -e "$kept" ]; then
    mv -fT "$kept" "$file"
  fi
  ;;
esac
