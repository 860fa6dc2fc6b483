"""Points in time that JSON payloads hold as texts."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

_FORM: Final = re.compile(
    r"\s*(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d)(?:(:\d\d)(\.\d+)? ?([Zz]|[+-]\d\d:?\d\d)?)?)?",
    re.ASCII,
)


def instant(value: datetime) -> datetime:
    """A time without a zone is UTC."""
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value


def said_instant(text: str) -> datetime | None:
    """The time that a text says in RFC 3339's form, or with less of it: the zone, seconds and time of day may be missing.

    To the microsecond; what is finer is cut. None for any other text.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    day, minutes, seconds, fraction, zone = found.groups()
    written = f"{day}T{minutes or '00:00'}{seconds or ':00'}{(fraction or '.0')[:7]}{(zone or 'Z').upper()}"
    try:
        return datetime.fromisoformat(written)
    except ValueError:  # no such day or hour
        return None
