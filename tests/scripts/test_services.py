"""What the sample services' pipelines run on a killed deployment, and Go's own formatter on their sources."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.scripts.machine import ROOT, Machine

SERVICES = sorted(path.parent for path in (ROOT / "services").glob("*/.gitlab-ci.yml"))
HEAL = ROOT / "services/hello-custom/.gitlab/heal-release.sh"

HISTORY = """REVISION\tUPDATED                 \tSTATUS         \tCHART             \tAPP VERSION\tDESCRIPTION
1       \tTue Nov 24 13:02:54 2026\tsuperseded     \tmicroservice-1.0.0\t           \tInstall complete
2       \tTue Nov 24 13:02:55 2026\tdeployed       \tmicroservice-1.0.0\t           \tUpgrade complete
3       \tTue Nov 24 13:02:55 2026\tfailed         \tmicroservice-1.0.0\t           \tnot deployed
4       \tTue Nov 24 13:02:59 2026\tpending-upgrade\tmicroservice-1.0.0\t           \tPreparing upgrade
"""


@pytest.mark.parametrize(
    ("status", "history", "changes"),
    [
        (None, "", []),
        ("pending-install", "", ["helm uninstall hello --wait --timeout 3m"]),
        ("pending-upgrade", HISTORY, ["helm rollback hello 2"]),
        ("pending-rollback", HISTORY, ["helm rollback hello 2"]),
        ("pending-upgrade", HISTORY.replace("deployed  ", "failed    "), ["helm rollback hello 0"]),
    ],
)
def test_a_killed_deployment(tmp_path: Path, status: str | None, history: str, changes: list[str]) -> None:
    """As Helm prints it (taken from Helm 4 at an API server); what is not pending is left alone."""
    machine = Machine(tmp_path / "machine")
    (machine.root / "history").write_text(history)
    machine.fake(
        "helm",
        f"""[ "$HELM_NAMESPACE" = team-hello ] || exit 1
        case $1 in
        list) {"echo hello" if status else "true"} ;;
        status) printf 'NAME: hello\nLAST DEPLOYED: today\nSTATUS: {status}\nREVISION: 2\n' ;;
        history) cat {machine.root}/history ;;
        uninstall|rollback) ;;
        *) exit 1 ;;
        esac""",
    )
    result = machine.program(HEAL, "hello", KUBE_NAMESPACE="team-hello")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "helm list --pending --short --filter ^hello$" in machine.calls
    assert [call for call in machine.calls if call.split()[1] in ("uninstall", "rollback")] == changes


def test_a_release_that_nobody_knows_how_to_heal_is_told(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "machine")
    machine.fake("helm", "case $1 in list) echo hello ;; status) echo 'STATUS: pending-rapture' ;; *) exit 1 ;; esac")
    result = machine.program(HEAL, "hello", KUBE_NAMESPACE="team-hello")
    assert result.returncode == 1
    assert "helm rollback hello REVISION" in result.stdout


@pytest.mark.skipif(not shutil.which("go"), reason="no Go here")
@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.name)
def test_sources_are_formatted(service: Path) -> None:
    assert subprocess.run(["gofmt", "-l", "."], cwd=service, capture_output=True, text=True, check=True).stdout == ""
