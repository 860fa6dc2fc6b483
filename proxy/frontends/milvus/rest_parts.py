"""The few parts of a REST body that mirroring needs: the names and the keys, without the vectors between them.

A body read whole costs five times as much, and makes an object of each number of each vector. Owns: reading in part. Not: what
the parts mean, nor what to do where a body is otherwise than expected (rest).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Protocol

import msgspec


class Named(msgspec.Struct):
    dbName: Any = None
    collectionName: Any = None


@dataclass(frozen=True, slots=True)
class Rows:
    """`ids` as they were given."""

    named: Named
    ids: list[Any]


class _Body(Protocol):
    data: Any
    dbName: Any
    collectionName: Any


_NAMED: Final = msgspec.json.Decoder(Named)
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_DATA: Final = b'"data"'
_AHEAD: Final = 1024
"""Bytes in which the names are looked for before the rows."""


def names(raw: bytes) -> Named | None:
    """None: it is to be read whole."""
    try:
        return _NAMED.decode(raw)
    except _UNREADABLE:
        return None


def names_ahead(raw: bytes) -> Named | None:
    """As far as they stand before the rows, where clients put them: a guess, since of a name that comes again the last counts.

    It costs nothing, and who has the names needs no second pass over the rows.
    """
    end = raw.find(_DATA, 0, _AHEAD)
    return None if end < 0 else names(raw[:end] + _DATA + b":0}")


def rows(raw: bytes, id_name: str) -> Rows | None:
    """One row or a list of them, in one pass. None: it is to be read whole."""
    try:
        body = _body(id_name).decode(raw)
    except _UNREADABLE:
        return None
    data = body.data
    ids = [row.id for row in data] if isinstance(data, list) else [data.id]
    return Rows(Named(body.dbName, body.collectionName), ids)


@lru_cache(maxsize=1024)
def _body(id_name: str) -> msgspec.json.Decoder[_Body]:
    row = msgspec.defstruct("Row", [("id", Any)], rename={"id": id_name})
    body = msgspec.defstruct("Body", [("data", list[row] | row)], bases=(Named,), kw_only=True)  # type: ignore[valid-type]
    return msgspec.json.Decoder(body)
