"""What every component of a stack is given."""

from __future__ import annotations

from dataclasses import dataclass

from components.ca import CA
from names import Names
from settings.mirrors import Downloads


@dataclass(frozen=True)
class Site:
    """What is the same for every component: the names, the certificate authority, where downloads come from.

    Three fields, never more: what only some components need is an argument of those.
    """

    names: Names
    ca: CA
    downloads: Downloads
