"""Whether the machines are looked at before `pulumi up`.

Owns the section `preflight`. What may be found on one machine without ending anything is `hosts.<machine>.ignore`.
"""

from __future__ import annotations

from pydantic import Field

from settings.kinds import Section


class PreflightSettings(Section):
    """The look at all machines before `pulumi up` changes anything."""

    enabled: bool = Field(
        True,
        description="false: `up` begins without it, and what it would have refused ends the script that meets it",
        examples=["true"],
    )
