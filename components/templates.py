"""Rendering of configuration files from the Jinja2 templates that stand beside the components."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,  # a forgotten value is an error, not an empty line in someone's name server
        autoescape=False,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, **values: object) -> str:
    """The text of `template` (a path below `components/`), a pure function of its arguments."""
    return _environment().get_template(template).render(**values)
