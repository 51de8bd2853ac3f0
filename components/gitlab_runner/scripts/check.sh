# shellcheck shell=bash
# Whether the runner can have its directory: one that somebody runs by hand has it there, too. HOST_NAME is the machine's name in
# the settings.
set -euo pipefail

directory=/srv/gitlab-runner
if theirs "$directory"; then
  refuse "data $directory" "files that this stack did not make: $(find "$directory" -mindepth 1 -maxdepth 1 -printf '%f ' | head -c 200)" \
    "an empty directory, or none" \
    "on $HOST_NAME: mv $directory $directory.old; or, for the stack's runner in its place, until destroy gives the files back: pulumi config set --path 'auto-devops:hosts.$HOST_NAME.adopt[0]' $directory"
else
  ok "data $directory" "this stack's, or none"
fi
