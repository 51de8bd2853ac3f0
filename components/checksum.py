"""Checksums that show a change of a text where the text itself is secret or too long."""

from __future__ import annotations

import hashlib


def checksum(text: str) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()
