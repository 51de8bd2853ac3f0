"""Where GitLab's scripts are, and a token as GitLab makes them."""

from __future__ import annotations

from tests.scripts.machine import ROOT

SCRIPTS = ROOT / "components/gitlab_server/scripts"
TOKEN = "glpat-0123456789abcdef0123456789abcdef01234567"
