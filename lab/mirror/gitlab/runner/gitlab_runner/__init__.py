"""The lab's stand-in for GitLab Runner: takes jobs from GitLab's runner API and runs them with the docker executor."""

VERSION = "19.2.0"
"""The release whose behaviour and files these are."""
