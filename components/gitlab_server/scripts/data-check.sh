# shellcheck shell=bash
# Whether GitLab can have DATA and its PORTS on this machine. NAME is its own, gitlab.<domain>; HOST_NAME the machine's in the
# settings. SSHD_MOVES says whether the machine's sshd leaves its port, SSH_PORT, to GitLab, and goes to SSHD_PORT.
set -euo pipefail

# What the stack has begun: this run's, by its own record, also where it was moved to another directory with what was in it
# (see data.sh), or an earlier one's, which kept it (gitlab.keepData).
remembered=$(cat "$STATE/gitlab-data" 2>/dev/null || true)
marked=$(cat "$DATA/.auto-devops" 2>/dev/null || true)
if adopted "$DATA" || { [ -n "$remembered" ] && { [ "$remembered" = "$DATA" ] || [ -d "$DATA/auto-devops" ]; }; }; then
  ok "data $DATA" "this stack's"
elif [ -n "$marked" ] && [ "$marked" != "$NAME" ]; then
  refuse "data $DATA" "the data of $marked, which another stack kept" "those of $NAME, or nothing" \
    "pulumi config set --path auto-devops:gitlab.dataDirectory ANOTHER; or, if nobody needs them, on $HOST_NAME: mv $DATA $DATA.old"
elif [ -z "$marked" ] && has_content "$DATA"; then
  # As an early release of this program kept them, too, which left no mark.
  kept=''
  if [ -d "$DATA/config" ] && [ -d "$DATA/data" ] && [ -d "$DATA/logs" ]; then
    kept="; or, if a stack of $NAME kept them with an early release of this program (gitlab.keepData), on $HOST_NAME: echo $NAME >$DATA/.auto-devops"
  fi
  refuse "data $DATA" "data that this stack did not begin: $(find "$DATA" -mindepth 1 -maxdepth 1 -printf '%f ' | head -c 200)" \
    "an empty directory, or none" \
    "pulumi config set --path auto-devops:gitlab.dataDirectory ANOTHER; or, for GitLab to go on with these: pulumi config set --path 'auto-devops:hosts.$HOST_NAME.adopt[0]' $DATA$kept"
else
  ok "data $DATA" "$(if [ -n "$marked" ]; then echo "what an earlier stack of $marked kept"; else echo none; fi)"
fi

# of_ours CONTAINER: whether it is the stack's own GitLab.
of_ours() { [ "$1" = gitlab ] && [ -n "$remembered" ]; }
for port in $PORTS; do
  taken=''
  if command -v docker >/dev/null; then
    for container in $(timeout 10 docker ps --filter "publish=$port" --format '{{.Names}}' 2>/dev/null || true); do
      if ! of_ours "$container"; then taken+="the container $container "; fi
    done
  fi
  while read -r address program unit; do
    case "$program" in
    docker-proxy) continue ;; # a container's, above
    # systemd itself where sshd is started by its socket.
    sshd | systemd) if [ "$SSHD_MOVES" = yes ] && [ "$port" = "$SSH_PORT" ]; then continue; fi ;;
    esac
    taken+="$program ($unit) at $address "
  done < <(holders t "$port")
  if [ -z "$taken" ]; then continue; fi
  refuse "port $port" "in use: ${taken% }" "it free for GitLab" \
    "on $HOST_NAME: stop that service$(case "$port" in 80 | 443) ;; "$SSH_PORT") echo ", or set gitlab.sshPort to another port" ;; *) echo ", or set gitlab.registryPort to another port" ;; esac)"
done
if [ "$SSHD_MOVES" = yes ]; then
  other=$(holders t "$SSHD_PORT" | awk '$2 != "sshd" && $2 != "systemd"' | head -n 1)
  if [ -n "$other" ]; then
    refuse "port $SSHD_PORT" "in use: $other" "it free for the machine's own sshd" \
      "on $HOST_NAME: stop that service, or set gitlab.machineSshPort to another port"
  fi
fi
