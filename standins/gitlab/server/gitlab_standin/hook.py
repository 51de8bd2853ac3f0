"""The hooks of every repository: tell the internal API what is pushed, and pass on what it answers.

Run by git as `python -m gitlab_standin.hook NAME SOCKET SECRET-FILE`; needs nothing but the standard library.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from gitlab_standin.internal_client import ask


def main(name: str, socket: str, secret: str) -> int:
    asked = {
        "changes": [line.strip() for line in sys.stdin if line.strip()],
        "options": [
            os.environ.get(f"GIT_PUSH_OPTION_{n}", "") for n in range(int(os.environ.get("GIT_PUSH_OPTION_COUNT", 0)))
        ],
        "environment": {key: value for key, value in os.environ.items() if key.startswith(("GL_", "GIT_"))},
    }
    answer = ask(Path(socket), Path(secret), name, asked)
    for message in answer["messages"]:
        print(message, file=sys.stderr)
    return 0 if answer["status"] else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
