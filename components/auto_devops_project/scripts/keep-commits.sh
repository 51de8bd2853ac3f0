# shellcheck shell=bash
# Commits are not taken back: they go with the project, if it goes. Only the program that made the first one is given back.
set -euo pipefail

remove_packages "first-commit-${PROJECT/\//-}"
