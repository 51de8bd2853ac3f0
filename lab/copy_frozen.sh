#!/bin/bash
# Copies the image of a mounted file system as it is at one moment: copy_frozen.sh MOUNT_POINT IMAGE COPY
#
# Both files are on one file system that shares their blocks, so that the writers are held up for a moment only.
set -euo pipefail

mount_point=$1 image=$2 copy=$3

# To its end, whatever happens to the caller: a file system that stays frozen stops every machine of the lab.
trap '' HUP INT TERM

# All but what is written meanwhile is on the disk before anybody has to wait.
sync --file-system "$mount_point"
fsfreeze --freeze "$mount_point"
status=0
cp --reflink=always "$image" "$copy" || status=$?
fsfreeze --unfreeze "$mount_point"
exit "$status"
