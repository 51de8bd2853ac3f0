"""A stand-in of GitLab CE for the lab: the part of its API, git, pipelines and registry login that the stack uses.

It starts, answers and keeps its data the way GitLab's image does. What it does not support it refuses by name.
"""

from pathlib import Path

# The image's recipe writes the version of its own tag here.
VERSION = Path(__file__).with_name("VERSION").read_text().strip()
