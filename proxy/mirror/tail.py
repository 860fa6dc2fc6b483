"""The log's end, and what it holds that SQLite lacks.

Owns: which steps share a record, how far the log reaches. Not: who writes when, and into SQLite (writer), the file (log).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from proxy.mirror import tables
from proxy.mirror.log import Log
from proxy.mirror.net import Net
from proxy.mirror.steps import Packed, Step, encode, pack, placed
from proxy.mirror.tables import Change

RECORD_STEPS: Final = 200
"""In one record: its parts are written by one system call, which takes no more than 1024."""
RECORD_BYTES: Final = 256 * 2**10
"""Of bodies in one record, and the last."""


@dataclass(frozen=True, slots=True)
class Behind:
    """What SQLite lacks up to `step`."""

    net: Net
    step: int


@dataclass(slots=True)
class _Record:
    """Steps that are written together, up to `number`."""

    number: int = 0
    packed: list[Packed] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


class Tail:
    """`write` and `pass_by` from one thread at a time, which the writer sees to; `cut` from any."""

    def __init__(self, log: Log, step: int) -> None:
        self._log = log
        self._net = Net()
        self._cutting = threading.Lock()
        self.written = step
        """Up to here nothing is lost by the death of this process."""
        self.passed = step
        """`written`, or the step that goes by the log and is on its way into SQLite."""

    def write(self, steps: Sequence[Step], kept: int) -> None:
        """As many as there is room for. `kept`: the last step that SQLite has. Raises OSError."""
        for record in _records(step for step in steps if step.number > self.written):
            with self._cutting:
                start = self._log.append(record.number, encode(record.packed), record.bodies, kept)
                if start is None:
                    return
                for sql, rows in placed(record.packed, record.bodies, start):
                    self._net.take(sql, rows)
                self.written = self.passed = record.number

    @property
    def holds(self) -> int:
        """Rows that SQLite lacks."""
        return len(self._net)

    def pass_by(self, step: Step) -> None:
        """It is too long for the log: SQLite gets it with the rest, and then it is written (reach)."""
        with self._cutting:
            for change in step.changes:
                self._net.take(change.sql, change.rows())
            self.passed = step.number

    def reach(self, step: int) -> None:
        """SQLite has it. Raises OSError."""
        self._log.skip(step)
        self.written = step

    def cut(self) -> Behind:
        """Of what comes after it nothing is in it."""
        with self._cutting:
            behind, self._net = Behind(self._net, self.passed), Net()
            return behind

    def changes(self, behind: Behind) -> list[Change]:
        return [*behind.net.changes(self._log.read), tables.rows(tables.RAISE_FACT, (behind.step, "step"))]


def _records(steps: Iterable[Step]) -> Iterator[_Record]:
    record, size = _Record(), 0
    for count, step in enumerate(steps, 1):
        packed, bodies = pack(step)
        record.number = step.number
        record.packed.extend(packed)
        record.bodies.extend(bodies)
        size += sum(map(len, bodies))
        if count % RECORD_STEPS == 0 or size >= RECORD_BYTES:
            yield record
            record, size = _Record(), 0
    if record.number:
        yield record
