"""`make lint`: every check of style and types, all of them even if one fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from lab import charts, kubernetes, paths
from lab.steps import StepLog

_BIN = paths.VENV / "bin"
# What a chart has no default of.
REQUIRED_VALUES = {
    "gitlab-agent": (
        "--set=config.secretName=token,config.operational_container_scanning.enabled=false",
        "--set=replicas=1",
    ),
    "gitlab-runner": ("--set=gitlabUrl=https://gitlab.test,runners.secret=token",),
    "microservice": ("--set=image.repository=registry.test/hello,image.tag=1",),
}


def shell_scripts() -> list[str]:
    """Every shell script that git knows or would add: by suffix, or by its first line."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=paths.REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [name for name in listed.split("\0") if name and _is_shell(paths.REPOSITORY / name)]


def main() -> int:
    """Run the checks; returns 1 if one failed."""
    helm = kubernetes.helm(StepLog(paths.BUILD / "lint.log"))
    checks: dict[str, list[str | Path]] = {
        "ruff check": [_BIN / "ruff", "check", "."],
        "ruff format": [_BIN / "ruff", "format", "--check", "."],
        "mypy": [_BIN / "mypy", "."],
        "shellcheck": ["shellcheck", "--external-sources", *shell_scripts()],
        "go vet": ["go", "vet", "-C", paths.STANDINS / "pulumi", "./..."],
    }
    own_charts = sorted(file.parent for file in (paths.REPOSITORY / "charts").glob("*/Chart.yaml"))
    for chart in [*own_charts, *charts.chart_folders()]:
        name = chart.name
        checks[f"helm lint {name}"] = [
            helm,
            "lint",
            "--strict",
            "--quiet",
            *REQUIRED_VALUES.get(name, ()),
            chart,
        ]
    for module in sorted((paths.REPOSITORY / "services").glob("*/go.mod")):
        # Without a C compiler, as the services' images are built.
        checks[f"go vet {module.parent.name}"] = ["env", "CGO_ENABLED=0", "go", "vet", "-C", module.parent, "./..."]
    failed = []
    for name, command in checks.items():
        print(f"== {name}", flush=True)
        environment = {**os.environ, "PATH": f"{_BIN}{os.pathsep}{os.environ['PATH']}"}
        if subprocess.run(command, cwd=paths.REPOSITORY, env=environment, check=False).returncode:
            failed.append(name)
    if failed:
        print(f"lint failed: {', '.join(failed)}")
    return 1 if failed else 0


def _is_shell(path: Path) -> bool:
    if not path.is_file() or path.is_symlink():
        return False
    if path.suffix in {".sh", ".envsh"}:
        return True
    if path.suffix:
        return False
    with path.open("rb") as file:
        first = file.readline(100).strip()
    return first.startswith(b"#!") and first.endswith((b"/bash", b"/sh", b"env bash"))


if __name__ == "__main__":
    sys.exit(main())
