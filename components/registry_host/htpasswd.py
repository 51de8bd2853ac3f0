"""The registry's password file."""

from __future__ import annotations

import base64
import hashlib
import hmac

import bcrypt

ROUNDS = 10
_STANDARD = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BCRYPT = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def htpasswd(username: str, password: str) -> str:
    """The line for `username`, the same for the same arguments.

    bcrypt is the only format that the registry reads. A random salt would change the file, and so replace the registry,
    at every `pulumi up`; this salt follows from password and name, so equal passwords of two names still differ.
    """
    digest = hmac.new(password.encode(), f"auto-devops registry {username}".encode(), hashlib.sha256).digest()[:16]
    salt = base64.b64encode(digest).rstrip(b"=").translate(bytes.maketrans(_STANDARD, _BCRYPT))
    hashed = bcrypt.hashpw(password.encode(), b"$2b$%02d$" % ROUNDS + salt)
    return f"{username}:{hashed.decode()}\n"
