"""Files on their way to a machine: a tar archive as text, for the standard input of a script."""

from __future__ import annotations

import base64
import io
import tarfile
from collections.abc import Mapping


def pack(files: Mapping[str, str]) -> str:
    """A base64 text of a tar archive with `files` (name to content). The same files give the same text, always."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in sorted(files.items()):
            data = content.encode()
            entry = tarfile.TarInfo(name)  # its defaults are constant: owner 0, time 0
            entry.size, entry.mode = len(data), 0o600
            archive.addfile(entry, io.BytesIO(data))
    return base64.encodebytes(buffer.getvalue()).decode()


def unpack(text: str) -> dict[str, str]:
    """The files of a text that `pack` made."""
    with tarfile.open(fileobj=io.BytesIO(base64.decodebytes(text.encode())), mode="r:") as archive:
        members = [(entry.name, archive.extractfile(entry)) for entry in archive]
    return {name: member.read().decode() for name, member in members if member is not None}
