# shellcheck shell=bash
# Files that a script puts on a machine, and those that were there before. What has "auto-devops" in its path is the
# stack's own by its name; of every other file, what was there is remembered before it is overwritten, and given back.
set -euo pipefail

# place SOURCE TARGET MODE: puts a file where it belongs, in one step; says by its status whether anything changed.
CHANGED=no
place() {
  if [[ $2 != *auto-devops* ]]; then keep "$2"; fi
  if [ -f "$2" ] && [ ! -L "$2" ] && cmp -s "$1" "$2" && [ "$(stat -c %a "$2")" = "$3" ]; then
    return 0
  fi
  mkdir -p "$(dirname "$2")"
  install -m "$3" "$1" "$2.auto-devops-new"
  mv -fT "$2.auto-devops-new" "$2"
  # shellcheck disable=SC2034 # for the scripts
  CHANGED=yes
}

# keep FILE: remembers FILE as it was before us (or that there was none), once.
keep() {
  local kept
  kept="$STATE/before$1"
  if [ -e "$kept" ] || [ -L "$kept" ] || [ -e "$kept.none" ]; then
    return 0
  fi
  if [ -d "$1" ] && [ ! -L "$1" ]; then
    fail "$1, a directory" "a file, or nothing, to be there" "on $(hostname): move it away; then run pulumi up again"
  fi
  mkdir -p "$(dirname "$kept")"
  if { [ -e "$1" ] || [ -L "$1" ]; } && ! placed_by_older "$1"; then
    # In one step, too: half a copy would be given back as the whole.
    rm -f "$kept.auto-devops-new"
    cp -a "$1" "$kept.auto-devops-new"
    mv -fT "$kept.auto-devops-new" "$kept"
  else
    touch "$kept.none"
  fi
}

# placed_by_older FILE: whether a release of this program put it there that remembered less (see run.sh): until 7b9176a
# the files of Kubernetes, of GitLab's certificates and of the runner. Anything else that is there is the user's.
placed_by_older() {
  [ "${LEGACY:-no}" = yes ] || return 1
  case "$1" in
  /usr/local/bin/kube* | /opt/cni/bin/* | /etc/containerd/certs.d/* | /etc/kubelet-resolv.conf) ;;
  /etc/systemd/system/kubelet.service | /etc/systemd/system/kubelet.service.d/10-kubeadm.conf) ;;
  /srv/gitlab-runner/* | */config/ssl/* | */config/trusted-certs/*) ;;
  *) return 1 ;;
  esac
}

# give_back FILE: the opposite of keep, and of place; quiet when there is nothing to give back.
give_back() {
  local kept
  kept="$STATE/before$1"
  # Of a run that was interrupted.
  rm -f "$1.auto-devops-new" "$kept.auto-devops-new"
  if [ -e "$kept.none" ]; then
    rm -f "$1" "$kept.none"
  elif [ -e "$kept" ] || [ -L "$kept" ]; then
    rm -f "$1"
    mkdir -p "$(dirname "$1")"
    mv -fT "$kept" "$1"
  fi
}

# give_back_below DIRECTORY: gives back every file below DIRECTORY that was remembered.
give_back_below() {
  local kept all=()
  if [ ! -d "$STATE/before$1" ]; then return 0; fi
  find "$STATE/before$1" -name '*.auto-devops-new' -delete
  mapfile -d '' all < <(find "$STATE/before$1" ! -type d -print0)
  for kept in "${all[@]}"; do
    kept=${kept#"$STATE/before"}
    give_back "${kept%.none}"
  done
}

# add_lines LINES FILE first|last: puts the lines of the file LINES into a file that is somebody else's, and stays so: whatever
# becomes of the rest of it, take_lines takes back just these. They begin with "# auto-devops", and end with "# auto-devops: end".
add_lines() {
  local new
  new=$(mktemp)
  if [ -e "$2" ]; then
    need_marks "$2" up
    without_lines "$2" >"$new"
  fi
  if [ "$3" = first ]; then cat "$1" - <"$new" >"$new.all"; else cat "$new" "$1" >"$new.all"; fi
  if is_open "$2"; then truncate -s -1 "$new.all"; fi
  if ! cmp -s "$new.all" "$2"; then
    if [ -e "$2" ]; then cp -a "$2" "$2.auto-devops-new"; fi
    cat "$new.all" >"$2.auto-devops-new"
    mv -f "$2.auto-devops-new" "$2"
    # shellcheck disable=SC2034 # for the scripts
    CHANGED=yes
  fi
  rm -f "$new" "$new.all"
}

# take_lines FILE: the opposite of add_lines; a file that has nothing else goes. Its status says whether it had them.
take_lines() {
  if ! grep -qs '^# auto-devops' "$1"; then return 1; fi
  need_marks "$1" destroy
  # Whoever asks for the status has switched off `set -e`.
  if ! { cp -a "$1" "$1.auto-devops-new" && without_lines "$1" >"$1.auto-devops-new" &&
    if is_open "$1"; then truncate -s -1 "$1.auto-devops-new"; fi &&
    if [ -s "$1.auto-devops-new" ]; then mv -f "$1.auto-devops-new" "$1"; else rm -f "$1" "$1.auto-devops-new"; fi; }; then
    fail "$1, from which the stack's lines cannot be taken (the reason is above)" "a file that root can write" \
      "on $(hostname): mend it, then run pulumi destroy again"
  fi
}

# is_open FILE: whether its last line has no end; what we make of it has none either, so that it comes back as it was.
is_open() { [ -s "$1" ] && [ -n "$(tail -c 1 "$1")" ]; }

# without_lines FILE: FILE without the stack's lines; its status says whether both marks around them are there.
without_lines() {
  awk '/^# auto-devops: end$/ { if (!ours) lost = 1; ours = 0; next }
    /^# auto-devops/ { if (ours) lost = 1; ours = 1 }
    !ours
    END { exit lost || ours }' "$1"
}

# need_marks FILE COMMAND: refuses a file in which somebody has removed one of the marks: what is whose there nobody knows.
need_marks() {
  if ! without_lines "$1" >/dev/null; then
    fail "$1, in which the stack's lines have lost the one before or after them"       '"# auto-devops: ..." before them, "# auto-devops: end" after them'       "on $(hostname): remove the stack's lines from it, with what is left of the two; then run pulumi $2 again"
  fi
}

# remove_empty DIRECTORY...: removes those of them that have become empty; others may have put something there.
remove_empty() {
  local directory
  for directory in "$@"; do
    if [ -d "$directory" ]; then rmdir --ignore-fail-on-non-empty "$directory"; fi
  done
}

# remove_tree DIRECTORY: removes a directory that nobody but the stack has written into, with all that is in it. What is
# mounted there, or a disk of its own, is left alone.
remove_tree() {
  if [ -L "$1" ]; then rm -f "$1"; fi # somebody has put it elsewhere
  if [ ! -d "$1" ]; then return 0; fi
  empty_tree "$1"
  if ! mountpoint -q "$1"; then rmdir "$1"; fi
}

# empty_tree DIRECTORY: the same for what is in it; the directory stays.
empty_tree() {
  if [ ! -d "$1" ]; then return 0; fi
  if ! find "$1" -xdev -mindepth 1 ! -path "$1/lost+found" -delete; then
    fail "$1 that cannot be removed (the reason is above)" "nothing mounted there, and nobody who writes into it" \
      "on $(hostname): findmnt | grep $1; mend it, then run pulumi destroy again"
  fi
}
