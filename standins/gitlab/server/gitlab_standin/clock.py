"""Time as GitLab's API writes it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta


def now() -> str:
    """The present, as 2026-11-24T09:00:00.000Z."""
    return stamp(datetime.now(UTC))


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def parse(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def seconds_between(start: str | None, end: str | None) -> float | None:
    """Seconds from start to end, or to now while there is no end."""
    if start is None:
        return None
    return round(((parse(end) if end else datetime.now(UTC)) - parse(start)).total_seconds(), 3)


def later(seconds: float) -> str:
    return stamp(datetime.now(UTC) + timedelta(seconds=seconds))


def expired(day: str | None) -> bool:
    """Whether a day of expiry, as 2027-01-31, has come."""
    return day is not None and date.fromisoformat(day[:10]) <= datetime.now(UTC).date()
