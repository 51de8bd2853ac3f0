"""Kinds of `artifacts:reports`: what each is called, and how a runner sends it.

Owns the table (GitLab 19, app/models/concerns/enums/ci/job_artifact.rb). Of their content only `dotenv` means something
here: the others are kept with the job.
"""

from __future__ import annotations

from typing import Any

KINDS = {
    "accessibility": ("gl-accessibility.json", "raw"),
    "annotations": ("gl-annotations.json", "gzip"),
    "api_fuzzing": ("gl-api-fuzzing-report.json", "raw"),
    "browser_performance": ("browser-performance.json", "raw"),
    "cluster_image_scanning": ("gl-cluster-image-scanning-report.json", "raw"),
    "cobertura": ("cobertura-coverage.xml", "gzip"),
    "codequality": ("gl-code-quality-report.json", "raw"),
    "container_scanning": ("gl-container-scanning-report.json", "raw"),
    "coverage_fuzzing": ("gl-coverage-fuzzing.json", "raw"),
    "cyclonedx": ("gl-sbom.cdx.json", "gzip"),
    "dast": ("gl-dast-report.json", "raw"),
    "dependency_scanning": ("gl-dependency-scanning-report.json", "raw"),
    "dotenv": (".env", "gzip"),
    "jacoco": ("jacoco-coverage.xml", "gzip"),
    "junit": ("junit.xml", "gzip"),
    "load_performance": ("load-performance.json", "raw"),
    "metrics": ("metrics.txt", "gzip"),
    "repository_xray": ("gl-repository-xray.json", "gzip"),
    "requirements": ("requirements.json", "raw"),
    "sarif": ("gl-sarif-report.sarif", "raw"),
    "sast": ("gl-sast-report.json", "raw"),
    "secret_detection": ("gl-secret-detection-report.json", "raw"),
    "terraform": ("tfplan.json", "raw"),
}
"""File's name and format, by the kind's name."""
_COVERAGE = "coverage_report"
"""In the CI language two kinds have one name: `coverage_report: {coverage_format: cobertura, path: …}`."""


def unknown(given: dict[str, Any]) -> list[str]:
    """Names that are none of a report, or of a format of coverage."""
    names = sorted(given.keys() - KINDS.keys() - {_COVERAGE} | given.keys() & {"cobertura", "jacoco"})
    coverage = given.get(_COVERAGE) or {}
    if coverage and coverage.get("coverage_format") not in ("cobertura", "jacoco"):
        names.append(f"{_COVERAGE}:coverage_format")
    return names


def wanted(given: dict[str, Any]) -> dict[str, list[str]]:
    """Paths of each kind that a job reports."""
    found = {}
    for name, paths in given.items():
        if name == _COVERAGE:
            name, paths = paths["coverage_format"], paths["path"]
        found[name] = [paths] if isinstance(paths, str) else list(paths)
    return found
