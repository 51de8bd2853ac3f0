"""Which records a look-up finds: upstream's modes, most of them fuzzy.

Rules: alibabacloud_alidns20150109 4.6.1, models/_describe_domain_records_request.py (`search_mode`).
"""

from __future__ import annotations

from standins.alidns.parameters import Parameters
from standins.alidns.store import Record

PARAMETERS = "KeyWord RRKeyWord TypeKeyWord ValueKeyWord SearchMode Type Line Status Direction".split()
_MODES = {"LIKE", "EXACT", "ADVANCED", "COMBINATION"}


def matching(records: list[Record], given: Parameters) -> list[Record]:
    """In the order of the answer: the newest first, or the oldest with Direction=ASC."""
    word = given.optional("KeyWord").lower()
    mode = given.choice("SearchMode", _MODES, "LIKE" if word else "")
    if mode in {"LIKE", "EXACT"}:
        found = [record for record in records if _about(record, word, exactly=mode == "EXACT")]
    else:
        found = [record for record in records if _each(record, given, exactly=mode == "COMBINATION")]
    if given.choice("Direction", {"ASC", "DESC"}, "DESC") == "ASC":
        found.reverse()
    return found


def _about(record: Record, word: str, exactly: bool) -> bool:
    """By one word, which may be the name's or the value's; the other parameters have no effect then."""
    texts = (record.rr.lower(), record.value.lower())
    return word in texts if exactly else any(word in text for text in texts)


def _each(record: Record, given: Parameters, exactly: bool) -> bool:
    for name, value in (("RRKeyWord", record.rr), ("ValueKeyWord", record.value)):
        word = given.optional(name).lower()
        if word and (word != value.lower() if exactly else word not in value.lower()):
            return False
    same = {"TypeKeyWord": record.type, "Type": record.type, "Line": record.line, "Status": status(record)}
    return all(given.optional(name, value).lower() == value.lower() for name, value in same.items())


def status(record: Record) -> str:
    return "ENABLE" if record.enabled else "DISABLE"
