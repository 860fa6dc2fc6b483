"""The few parts of a REST body that mirroring needs: the names and the keys, without the vectors between them.

A body read whole costs five times as much, and makes an object of each number of each vector. Owns: reading in part. Not: what
the parts mean, nor what to do where a body is otherwise than expected (rest).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, Protocol

import msgspec


class Named(msgspec.Struct):
    dbName: Any = None
    collectionName: Any = None


class _Rows(Protocol):
    data: Any


_NAMED: Final = msgspec.json.Decoder(Named)
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def names(raw: bytes) -> Named | None:
    """None: it is to be read whole."""
    try:
        return _NAMED.decode(raw)
    except _UNREADABLE:
        return None


def row_ids(raw: bytes, id_name: str) -> list[Any] | None:
    """Of one row or a list of them, as they were given. None: it is to be read whole."""
    try:
        data = _rows(id_name).decode(raw).data
    except _UNREADABLE:
        return None
    return [row.id for row in data] if isinstance(data, list) else [data.id]


@lru_cache(maxsize=1024)
def _rows(id_name: str) -> msgspec.json.Decoder[_Rows]:
    row = msgspec.defstruct("Row", [("id", Any)], rename={"id": id_name})
    return msgspec.json.Decoder(msgspec.defstruct("Rows", [("data", list[row] | row)]))  # type: ignore[valid-type]
