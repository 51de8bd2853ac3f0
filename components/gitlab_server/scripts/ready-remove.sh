# shellcheck shell=bash
# What the check needed goes.
set -euo pipefail

remove_packages gitlab
