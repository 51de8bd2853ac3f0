# shellcheck shell=bash
set -euo pipefail

remove_packages registry
