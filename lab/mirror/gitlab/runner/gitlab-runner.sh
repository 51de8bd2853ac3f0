#!/bin/sh
PYTHONPATH=/usr/lib/gitlab-runner exec python3 -m gitlab_runner "$@"
