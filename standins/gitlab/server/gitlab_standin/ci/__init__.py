"""Pipelines: the CI language, variables, jobs and their logs."""
