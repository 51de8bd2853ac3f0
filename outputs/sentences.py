"""What a reader of another stack's outputs is told when it cannot have one.

Owns the sentences, which both readers have: each names the stack and the output, says why, and what to do about it.
Takes nothing but texts: the TypeScript reader is made with its own variables in their places.
"""

from __future__ import annotations


def missing(stack: str, output: str, since: str, needs: tuple[str, str] | None) -> str:
    """A stack has outputs, but not this one. `needs` is what a stack has that has it, and the setting for that."""
    told = f"Stack '{stack}' has no output '{output}': it is there since version {since} of auto-devops"
    up = f"`pulumi up --stack {stack}`"
    if not needs:
        return f"{told}. Run {up} in a directory of auto-devops that has this version or a newer one."
    what, setting = needs
    return (
        f"{told}, in stacks with {what}. In the directory of auto-devops, set {setting} if it is not (`pulumi config "
        f"set --stack {stack} --path auto-devops:{setting} MACHINE`), and run {up}; or do without it here."
    )


def empty(stack: str, output: str) -> str:
    """A stack has no outputs at all."""
    return (
        f"Stack '{stack}' has no output '{output}', nor any other: it is not made yet, or is destroyed. "
        f"Run `pulumi up --stack {stack}` in the directory of auto-devops; or is another stack meant?"
    )


def encrypted(stack: str, output: str) -> str:
    """A secret could not be decrypted."""
    return (
        f"Output '{output}' of stack '{stack}' is a secret that cannot be decrypted here. If that stack has a "
        "passphrase, PULUMI_CONFIG_PASSPHRASE (or PULUMI_CONFIG_PASSPHRASE_FILE) has to be the same: give it to this "
        "stack by `pulumi stack change-secrets-provider passphrase`, and set it. If it has a key in a cloud, log in "
        "there as somebody who may decrypt with it."
    )


def unexpected(stack: str, output: str, found: str) -> str:
    """A value is not of its type; `found` says where and why, without the value."""
    return (
        f"Output '{output}' of stack '{stack}' is not what it should be: {found}. Another version of auto-devops "
        f"made that stack: run `pulumi up --stack {stack}` with this reader's version, or take the reader of that one."
    )
