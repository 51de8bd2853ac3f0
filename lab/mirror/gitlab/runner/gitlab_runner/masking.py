"""Takes secrets out of a stream of bytes, also where one comes in pieces."""

from __future__ import annotations

import re
from collections.abc import Iterable

_MASK = b"[MASKED]"


class Masker:
    """Replaces each secret by [MASKED]. Holds back what may be the beginning of one until more comes or `flush`."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # The longest first: one secret may begin with another.
        self._secrets = sorted({s.encode() for s in secrets if s}, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, self._secrets))) if self._secrets else None
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """What of all that came so far is known to be safe, and has not been given out yet."""
        if self._pattern is None:
            return data
        text = self._held + data
        # From here on the text may be a secret that has not come whole, or one that others begin with.
        hold = len(text) - self._beginning(text)
        out, position = [], 0
        for match in self._pattern.finditer(text):
            if match.start() >= hold:
                break
            out += [text[position : match.start()], _MASK]
            position = match.end()
        hold = max(hold, position)
        out.append(text[position:hold])
        self._held = text[hold:]
        return b"".join(out)

    def flush(self) -> bytes:
        """The rest: nothing more comes."""
        rest, self._held = self._held, b""
        return self._pattern.sub(_MASK, rest) if self._pattern else rest

    def _beginning(self, text: bytes) -> int:
        """Length of the longest end of the text that is the beginning of a secret, but not all of it."""
        longest = min(len(text), len(self._secrets[0]) - 1)
        for length in range(longest, 0, -1):
            end = text[-length:]
            if any(secret.startswith(end) and secret != end for secret in self._secrets):
                return length
        return 0
