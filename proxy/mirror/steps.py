"""The journal's steps as bytes and back. Pure.

Owns: how a step lies in the log. Not: the log (log), what its statements do (tables, net).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from msgspec.msgpack import Decoder, Encoder
from xxhash import xxh3_64_intdigest

from proxy.mirror.log import Place
from proxy.mirror.tables import APPEND, STATEMENTS, Change, Row

Packed: TypeAlias = tuple[int, Sequence[Row]]
"""The rows of one statement, by its number."""

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


def pack(step: Step) -> tuple[list[Packed], list[bytes]]:
    """The rows, where of an entry's body stands its size only; and the bodies."""
    packed: list[Packed] = []
    bodies: list[bytes] = []
    for change in step.changes:
        rows = list(change.rows())
        if change.sql is APPEND:
            bodies.extend(body for _, _, body in rows)
            rows = [(seq, head, len(body)) for seq, head, body in rows]
        packed.append((_NUMBERS[change.sql], rows))
    return packed, bodies


def encode(packed: Sequence[Packed]) -> bytes:
    return _ENCODER.encode(packed)


def decode(encoded: bytes) -> Sequence[Packed]:
    """Of what is known to be whole."""
    return _DECODER.decode(encoded)


def placed(packed: Iterable[Packed], bodies: Iterable[bytes], start: int) -> Iterator[tuple[str, Sequence[Row]]]:
    """Statements and their rows, an entry's body as the place where it lies. `start`: where the first one does."""
    left = iter(bodies)
    for number, rows in packed:
        if number == _APPEND:
            places: list[Row] = []
            for seq, head, size in rows:
                places.append((seq, head, Place(start, size, xxh3_64_intdigest(next(left)))))
                start += size
            yield APPEND, places
        else:
            yield STATEMENTS[number], rows


def with_bodies(packed: Iterable[Packed], bodies: bytes) -> Iterator[tuple[str, Sequence[Row]]]:
    """Statements and their rows as they were packed."""
    start = 0
    for number, rows in packed:
        whole: list[Row] = []
        for row in rows if number == _APPEND else ():
            seq, head, size = row
            whole.append((seq, head, bodies[start : start + size]))
            start += size
        yield STATEMENTS[number], whole or rows
