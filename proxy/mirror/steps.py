"""The journal's steps as bytes and back. Pure.

Owns: how a step lies in the log. Not: the log (log), what its statements do (tables, net).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from msgspec.msgpack import Decoder, Encoder

from proxy.mirror.log import Place
from proxy.mirror.tables import APPEND, STATEMENTS, Change, Row

Rows: TypeAlias = tuple[int, Sequence[Row]]
"""Of one statement, by its number."""

_NUMBERS: Final = {sql: number for number, sql in enumerate(STATEMENTS)}
_APPEND: Final = _NUMBERS[APPEND]
_ENCODER: Final = Encoder()
_DECODER: Final = Decoder(list[tuple[int, list[tuple[Any, ...]]]])


@dataclass(frozen=True, slots=True)
class Step:
    """All of its changes, or none. `sync`: somebody waits until it is durable."""

    number: int
    changes: Sequence[Change]
    sync: bool


def pack(step: Step) -> tuple[list[Rows], list[bytes]]:
    """The rows, where of an entry's body stands its size only; and the bodies."""
    packed: list[Rows] = []
    bodies: list[bytes] = []
    for change in step.changes:
        rows = list(change.rows())
        if change.sql is APPEND:
            bodies.extend(body for _, _, body in rows)
            rows = [(seq, head, len(body)) for seq, head, body in rows]
        packed.append((_NUMBERS[change.sql], rows))
    return packed, bodies


def encode(packed: Sequence[Rows]) -> bytes:
    return _ENCODER.encode(packed)


def decode(encoded: bytes) -> Sequence[Rows]:
    """Of what is known to be whole."""
    return _DECODER.decode(encoded)


def placed(packed: Iterable[Rows], start: int) -> Iterator[tuple[str, Sequence[Row]]]:
    """Statements and their rows, an entry's body as the place where it lies. `start`: where the first one does."""
    for number, rows in packed:
        if number == _APPEND:
            places: list[Row] = []
            for seq, head, size in rows:
                places.append((seq, head, Place(start, size)))
                start += size
            yield APPEND, places
        else:
            yield STATEMENTS[number], rows


def with_bodies(packed: Iterable[Rows], bodies: bytes) -> Iterator[tuple[str, Sequence[Row]]]:
    """Statements and their rows as they were packed."""
    for sql, rows in placed(packed, 0):
        if sql is APPEND:
            yield sql, [(seq, head, bodies[place.start : place.start + place.size]) for seq, head, place in rows]
        else:
            yield sql, rows
