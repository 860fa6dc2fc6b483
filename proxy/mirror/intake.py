"""Intents on their way into SQLite, kept so that the death of this process does not lose them.

Owns: a file beside the journal's, its records and their checks. Not: what becomes of what it held (tables), commits (writer).

SQLite has an intent after a change of thread there and back, and a client would wait for both. So the loop writes it here
first: into the page cache, which outlives the process. A record is of no more use when SQLite has it.

The file has a page with a mark, and two halves that take turns: one is begun anew when SQLite has all that is in it. In a half
each record follows the last one at once; what an earlier turn left behind them has lower steps. Each record names the one
before it, and the mark the last of all, so that a record which is gone is missed, and one that was never finished is not
taken. A loss of power may take any of it, and then nothing of it is used: every collection is unverified anyhow.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import Final, TypeAlias

from proxy.errors import Broken
from proxy.mirror.damage import digest, pack_mark, unpack_mark

IntentRow: TypeAlias = tuple[int, bytes, bytes]
"""Of tables.APPEND: seq, head, body."""

RECORD_LIMIT: Final = 256 * 2**10
"""Bytes. A longer one would hold up everybody in the loop; it waits for its commit, and is on its way for long anyhow."""
HALF: Final = 8 * 2**20
"""Bytes, a multiple of any page's."""
_FIRST: Final = 2**16
"""Where the first half begins; before it is the mark."""
_RECORD: Final = Struct(">QQQIII")
"""Step, the step of the record before it, seq, sizes of head and body, checksum."""


@dataclass(frozen=True, slots=True)
class Kept:
    """`row` was submitted as `step`; `before`: the step of the record before it, 0 for the first of a process."""

    step: int
    before: int
    row: IntentRow


class Intake:
    """From the loop's thread only, but for its making."""

    def __init__(self, path: Path) -> None:
        """`path` of the journal."""
        self._path = path.with_name(f"{path.name}-intake")
        self._file = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
        self._half = self._size = 0
        self._lasts = [0, 0]
        self._last = 0

    def append(self, step: int, row: IntentRow, committed: int) -> bool:
        """Whether it survives the death of this process from now on. `committed`: the last step that SQLite has."""
        seq, head, body = row
        size = _RECORD.size + len(head) + len(body)
        if size > RECORD_LIMIT or not self._makes_room(size, committed):
            return False
        record = _RECORD.pack(step, self._last, seq, len(head), len(body), digest(step, self._last, seq, head, body))
        try:
            if os.pwritev(self._file, (record, head, body), _FIRST + self._half * HALF + self._size) != size:
                return False
            os.pwrite(self._file, pack_mark(step), 0)
        except OSError:  # the same disk refuses the commit, which tells
            return False
        self._size += size
        self._last = self._lasts[self._half] = step
        return True

    def _makes_room(self, size: int, committed: int) -> bool:
        if self._size + size <= HALF:
            return True
        other = 1 - self._half
        if self._lasts[other] > committed:
            return False
        self._half, self._size = other, 0
        return True

    def beyond(self, committed: int) -> list[Kept]:
        """What SQLite lacks, in order. Raises Broken where something is missing, or where nobody can tell."""
        last = self._read_mark(committed)
        found = [kept for half in range(2) for kept in self._records(half) if committed < kept.step <= last]
        steps = {kept.step for kept in found}
        missing = {step for step in (last, *(kept.before for kept in found)) if step > committed} - steps
        if missing:
            raise Broken(f"its intake lacks the record of step {max(missing)}")
        return sorted(found, key=lambda kept: kept.step)

    def _read_mark(self, committed: int) -> int:
        packed = os.pread(self._file, len(pack_mark(0)), 0)
        if not packed and committed == 0:
            return 0
        last = unpack_mark(packed)
        if last is None:
            raise Broken("the mark of its intake is damaged or gone, so nobody can tell whether it is whole")
        return last

    def _records(self, half: int) -> Iterator[Kept]:
        content = os.pread(self._file, HALF, _FIRST + half * HALF)
        place = last = 0
        while (kept := _record(content, place)) is not None and kept.step > last:
            yield kept
            _, head, body = kept.row
            place += _RECORD.size + len(head) + len(body)
            last = kept.step

    def begin(self) -> None:
        """SQLite has all of it. Durable, or a later loss of power could bring back what is of an earlier process."""
        os.pwrite(self._file, pack_mark(0), 0)
        os.ftruncate(self._file, _FIRST)
        os.fsync(self._file)

    def close(self) -> None:
        os.close(self._file)


def _record(content: bytes, place: int) -> Kept | None:
    """None where there is no whole one."""
    if len(content) - place < _RECORD.size:
        return None
    step, before, seq, of_head, of_body, found = _RECORD.unpack_from(content, place)
    start = place + _RECORD.size
    middle, end = start + of_head, start + of_head + of_body
    head, body = content[start:middle], content[middle:end]
    if end > len(content) or found != digest(step, before, seq, head, body):
        return None
    return Kept(step, before, (seq, head, body))
