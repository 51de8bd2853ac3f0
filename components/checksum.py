"""What tells that a text has changed, where the text itself is not to be seen or does not fit."""

from __future__ import annotations

import hashlib


def checksum(text: str) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()
