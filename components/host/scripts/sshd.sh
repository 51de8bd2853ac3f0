# shellcheck shell=bash
# Functions that change the ports of the machine's own sshd, and never leave it without one that works. What is changed
# is marked, so that it can be undone whatever else was edited meanwhile.
set -euo pipefail

SSHD=/usr/sbin/sshd
SSHD_MAIN=/etc/ssh/sshd_config
SSHD_DROPIN=/etc/ssh/sshd_config.d/00-auto-devops.conf
SSHD_SOCKET_DROPIN=/etc/systemd/system/ssh.socket.d/auto-devops.conf
MARK='# auto-devops:'

# sshd_files: the configuration's files that there are.
sshd_files() {
  local file
  for file in "$SSHD_MAIN" "${SSHD_DROPIN%/*}"/*.conf "$SSHD_SOCKET_DROPIN"; do
    if [ -f "$file" ]; then printf '%s\n' "$file"; fi
  done
}

# sshd_ports: where sshd listens according to its configuration, one port a line.
sshd_ports() {
  mkdir -p /run/sshd # without it sshd does not even read its configuration, and a socket's has none
  "$SSHD" -T -f "$SSHD_MAIN" -C user=root,host=localhost,addr=127.0.0.1 |
    awk '$1 == "listenaddress" { n = split($2, part, ":"); print part[n] }' | sort -un
}

# sshd_is_ours: whether anything of the configuration is.
sshd_is_ours() { [ -e "$SSHD_DROPIN" ] || grep -q "^$MARK" "$SSHD_MAIN"; }

# sshd_need_marks: refuses where somebody has removed a line before or after what we added: what is whose nobody knows then.
sshd_need_marks() {
  local file
  while read -r file; do
    if ! awk -v mark="$MARK" '$0 == mark " added" { if (ours) lost = 1; ours = 1 }
      $0 == mark " end" { if (!ours) lost = 1; ours = 0 }
      END { exit lost || ours }' "$file"; then
      fail "$file, in which the ports that the stack added have lost the line before or after them" \
        "\"$MARK added\" before them, \"$MARK end\" after them" \
        "on $(hostname): remove these ports from it, with what is left of the two; then run pulumi again"
    fi
  done < <(sshd_files)
}

# sshd_undo: the configuration as it would be without us.
sshd_undo() {
  local file
  sshd_need_marks
  rm -f "$SSHD_DROPIN" "$SSHD_SOCKET_DROPIN"
  remove_empty "${SSHD_SOCKET_DROPIN%/*}"
  while read -r file; do
    if grep -q "^$MARK" "$file"; then
      sed -i -e "/^$MARK added\$/,/^$MARK end\$/d" -e "s/^$MARK was //" "$file"
    fi
  done < <(sshd_files)
}

# sshd_write PORT...: the configuration with these ports and no others.
sshd_write() {
  local file lines
  while read -r file; do
    sed -i -E "s/^([[:space:]]*Port[[:space:]=].*)\$/$MARK was \1/I" "$file"
  done < <(sshd_files)
  lines=$(printf 'Port %s\n' "$@")
  if grep -qiE "^[[:space:]]*Include[[:space:]]+${SSHD_DROPIN%/*}/\*\.conf" "$SSHD_MAIN"; then
    printf '# Made by auto-devops: git by SSH has the port that sshd had.\n%s\n' "$lines" >"$SSHD_DROPIN"
  else
    # At the beginning: after a Match it would be part of that.
    file=$(cat "$SSHD_MAIN")
    printf '%s added\n%s\n%s end\n%s\n' "$MARK" "$lines" "$MARK" "$file" >"$SSHD_MAIN"
  fi
}

# sshd_apply PORT...: has the running sshd take up its configuration, which has these ports. Sessions go on.
sshd_apply() {
  if systemctl -q is-active ssh.socket; then
    # systemd listens in sshd's place, as on Ubuntu. Where it does not read sshd's ports by itself, this tells it.
    if [ -e "$SSHD_DROPIN" ] || grep -q "^$MARK added\$" "$SSHD_MAIN"; then
      mkdir -p "${SSHD_SOCKET_DROPIN%/*}"
      printf '# Made by auto-devops.\n[Socket]\nBindIPv6Only=both\nListenStream=\n' >"$SSHD_SOCKET_DROPIN"
      printf 'ListenStream=%s\n' "$@" >>"$SSHD_SOCKET_DROPIN"
    fi
    systemctl daemon-reload
    systemctl restart ssh.socket
  else
    systemctl reload ssh
  fi
}

# sshd_holds PORT...: whether all of these are sshd's, or systemd's in its place.
sshd_holds() {
  local port
  for port in "$@"; do
    [ "$(ss -Hltnp "sport = :$port" | grep -cE '"(sshd|systemd)"' || true)" -gt 0 ] || return 1
  done
}

# sshd_listen [PORT...]: sshd listens on these ports and on no others; without any, where it would without us. If that
# does not work, everything is as it was, and the script fails.
sshd_listen() {
  local backup holder port ports wanted=("$@") wrong='' fix
  fix="on $(hostname): systemctl status ssh; or set gitlab.sshPort to another port, so that sshd need not move"
  backup=$(mktemp)
  sshd_files | tar -cPf "$backup" -T -

  sshd_undo
  if [ ${#wanted[@]} -eq 0 ]; then
    mapfile -t wanted < <(sshd_ports)
  elif [ "$(sshd_ports)" != "$(printf '%s\n' "${wanted[@]}" | sort -un)" ]; then
    sshd_write "${wanted[@]}"
  fi
  if ! "$SSHD" -t -f "$SSHD_MAIN" || [ "$(sshd_ports)" != "$(printf '%s\n' "${wanted[@]}" | sort -un)" ]; then
    wrong="options in $SSHD_MAIN, such as ListenAddress with a port, that keep sshd from ${wanted[*]} alone"
  fi
  for port in "${wanted[@]}"; do
    holder=$(ss -Hltnp "sport = :$port" | sed -nE '/"(sshd|systemd)"/d; s/.*users:\(\("([^"]*)".*/\1/p' | sort -u | tr '\n' ' ')
    if [ -n "$holder" ]; then wrong="port $port in use by ${holder% }"; fi
  done
  if [ -z "$wrong" ] && ! { sshd_apply "${wanted[@]}" && await 20 "sshd on ${wanted[*]}" sshd_holds "${wanted[@]}"; }; then
    wrong="an sshd that does not take up its new configuration"
  fi

  if [ -n "$wrong" ]; then
    sshd_undo
    tar -xPf "$backup"
    mapfile -t ports < <(sshd_ports)
    sshd_apply "${ports[@]}" || true
    fail "$wrong; sshd is as it was" "sshd to listen on ${wanted[*]}" "$fix"
  fi
}
