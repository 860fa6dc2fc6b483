"""The steps that SQLite lacks, in a file that outlives this process, and a power cut once it is synced.

Owns: the file, its records and their checks. Not: what a step changes (steps), what of it SQLite lacks (net), fsync (writer).

What most writes put into the journal they take away again in moments, so it goes here first, by one append: SQLite gets what is
still there when the file's room is needed.

The file has a page with a mark, and two halves that take turns: one is begun anew when SQLite has all that is in it. In a half
each record follows the last one at once; what an earlier turn left behind them names other steps. Each record names the step
before it, and the mark the last of all, so that a record which is gone is missed, and one that was never finished is not taken.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple

from xxhash import xxh3_64, xxh3_64_intdigest

from proxy.errors import Broken

_FIRST: Final = 2**16
"""Where the first half begins; before it is the mark. A multiple of any page's size."""
_MARK: Final = Struct(">QQ")
"""The last step, the bytes of a half."""
_SEALED_MARK: Final = _MARK.size + 8
_RECORD: Final = Struct(">QQIIQ")
"""Its last step, the step before it, sizes of what changes and of bodies, checksum."""


class Place(NamedTuple):
    """Of a body in the file, in bytes, and its checksum."""

    start: int
    size: int
    check: int


@dataclass(frozen=True, slots=True)
class Record:
    """What the steps behind `before` up to `step` change, packed (steps)."""

    step: int
    before: int
    changes: bytes
    bodies: bytes


class Log:
    """One thread at a time, but for `read` and a sync of `file`. `size`: bytes of both halves."""

    def __init__(self, path: Path, size: int) -> None:
        """`path` of the journal."""
        self.file = os.open(path.with_name(f"{path.name}-log"), os.O_CREAT | os.O_RDWR, 0o600)
        self._half = size // 2
        self._turn = self._used = self._last = 0
        self._lasts = [0, 0]

    def append(self, step: int, changes: bytes, bodies: Sequence[bytes], kept: int) -> int | None:
        """Where its bodies begin; None where there is no room until SQLite has more. From now on it survives the death of this
        process. `kept`: the last step that SQLite has. Raises OSError; then it counts for nothing."""
        of_bodies = sum(map(len, bodies))
        size = _RECORD.size + len(changes) + of_bodies
        if not self._makes_room(size, kept):
            return None
        head = _RECORD.pack(step, self._last, len(changes), of_bodies, _digest(step, self._last, changes, bodies))
        start = _FIRST + self._turn * self._half + self._used
        if os.pwritev(self.file, (head, changes, *bodies), start) != size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._put_mark(step)
        self._used += size
        self._last = self._lasts[self._turn] = step
        return start + _RECORD.size + len(changes)

    def _makes_room(self, size: int, kept: int) -> bool:
        if self._used + size <= self._half:
            return True
        other = 1 - self._turn
        if size > self._half or self._lasts[other] > kept:
            return False
        self._turn, self._used = other, 0
        return True

    def needs_room(self, kept: int) -> bool:
        """Soon: half of a half is full, and the other one not free."""
        return self._used * 2 > self._half and self._lasts[1 - self._turn] > kept

    def skip(self, step: int) -> None:
        """SQLite has it already, and all before it. Raises OSError."""
        self._put_mark(step)
        self._last = step

    def _put_mark(self, step: int) -> None:
        mark = _MARK.pack(step, self._half)
        os.pwrite(self.file, mark + xxh3_64_intdigest(mark).to_bytes(8), 0)

    def read(self, place: Place) -> bytes:
        """Raises Broken where it is not what was written."""
        body = os.pread(self.file, place.size, place.start)
        if len(body) != place.size or xxh3_64_intdigest(body) != place.check:
            raise Broken("its log does not hold what was written to it")
        return body

    # ---- what an earlier process left ----

    @property
    def is_new(self) -> bool:
        return os.fstat(self.file).st_size == 0

    def beyond(self, kept: int) -> list[Record]:
        """What SQLite lacks, in order. Raises Broken where something is missing, or where nobody can tell."""
        if (mark := self._read_mark()) is None:
            raise Broken("the mark of its log is damaged or gone, so nobody can tell whether it is whole")
        last, half = mark
        return self._back_from(last, kept, self._all(half))

    def left_by_power_loss(self, kept: int) -> list[Record]:
        """What SQLite lacks and is whole, in order. Nobody can tell how much there was."""
        mark = self._read_mark()
        records = self._all(mark[1] if mark else self._half)
        for last in sorted(records, reverse=True):
            with contextlib.suppress(Broken):
                return self._back_from(last, kept, records)
        return []

    def _read_mark(self) -> tuple[int, int] | None:
        packed = os.pread(self.file, _SEALED_MARK, 0)
        mark, found = packed[: _MARK.size], packed[_MARK.size :]
        if len(packed) != _SEALED_MARK or found != xxh3_64_intdigest(mark).to_bytes(8):
            return None
        last, half = _MARK.unpack(mark)
        return int(last), int(half)

    def _all(self, half: int) -> dict[int, Record]:
        """By step."""
        return {record.step: record for number in range(2) for record in self._records(number, half)}

    def _back_from(self, last: int, kept: int, records: Mapping[int, Record]) -> list[Record]:
        """Backwards, for where a mark could not be written there are two that name the same one before them."""
        chain: list[Record] = []
        while last > kept:
            if last not in records:
                raise Broken(f"its log lacks the record of step {last}")
            chain.append(records[last])
            last = records[last].before
        if chain and last < kept:
            raise Broken(f"it has step {kept} and its log goes on behind step {last}")
        return chain[::-1]

    def _records(self, number: int, half: int) -> Iterator[Record]:
        content = os.pread(self.file, half, _FIRST + number * half)
        place = 0
        while (record := _record(content, place)) is not None:
            yield record
            place += _RECORD.size + len(record.changes) + len(record.bodies)

    def begin(self, step: int) -> None:
        """SQLite has all up to `step`, durable. Its room on the disk is taken now, and nothing of an earlier process comes
        back after a loss of power. Raises OSError."""
        self._put_mark(step)
        os.ftruncate(self.file, _FIRST)
        os.posix_fallocate(self.file, 0, _FIRST + 2 * self._half)
        os.fsync(self.file)
        self._last = step

    def close(self) -> None:
        os.close(self.file)


def _digest(step: int, before: int, changes: bytes, bodies: Sequence[bytes]) -> int:
    total = xxh3_64(b"%d %d %d " % (step, before, len(changes)))
    total.update(changes)
    for body in bodies:
        total.update(body)
    return total.intdigest()


def _record(content: bytes, place: int) -> Record | None:
    """None where there is no whole one."""
    if len(content) - place < _RECORD.size:
        return None
    step, before, of_changes, of_bodies, found = _RECORD.unpack_from(content, place)
    start = place + _RECORD.size
    middle, end = start + of_changes, start + of_changes + of_bodies
    changes, bodies = content[start:middle], content[middle:end]
    if not step or end > len(content) or found != _digest(step, before, changes, (bodies,)):
        return None
    return Record(step, before, changes, bodies)
