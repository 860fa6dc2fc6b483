"""Qdrant's ids: unsigned 64-bit numbers and UUIDs, in any spelling that the server takes."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from proxy.frontends.qdrant.calls import KindRefusal
from proxy.qdrant.kinds import FORMAT

_NUMBERS: Final = 2**64
_LENGTHS: Final = frozenset({32, 36, 45})
"""Of a UUID's simple, hyphenated and urn form."""


def point_id(raw: int | str | UUID) -> int | UUID:
    """All spellings of a UUID are one id. Raises Refused as Qdrant does."""
    if isinstance(raw, UUID):
        return raw
    if isinstance(raw, int):
        if 0 <= raw < _NUMBERS:
            return raw
    elif len(raw) in _LENGTHS and "{" not in raw:
        try:
            return UUID(raw)
        except ValueError:
            pass  # no UUID, then
    raise KindRefusal(f"value {raw} is not a valid point ID, valid values are either an unsigned integer or a UUID", FORMAT)
