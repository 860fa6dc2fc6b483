"""What steps change together is what they change one after the other."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.mirror import tables
from proxy.mirror.log import Place
from proxy.mirror.net import Net
from proxy.mirror.steps import Step, decode, encode, pack, placed, with_bodies
from proxy.mirror.tables import COLUMNS, Change, rows

KEYS: Final = (b"a", b"b", b"c")
Act = tuple[str, int]


@contextmanager
def database() -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(":memory:", isolation_level=None)
    tables.prepare(db)
    yield db
    db.close()


def contents(db: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
    return {table: sorted(db.execute(f"select * from {table}"), key=repr) for table in COLUMNS}


class History:
    """Turns any numbers into steps that a journal may submit."""

    def __init__(self) -> None:
        self.seq = self.ended = 0
        self.open: list[int] = []
        self.closed: list[int] = []

    def step(self, act: str, choice: int) -> list[Change]:
        return getattr(self, f"_{act}")(choice)  # type: ignore[no-any-return]

    def _append(self, choice: int) -> list[Change]:
        self.seq += 1
        self.open.append(self.seq)
        return [rows(tables.APPEND, (self.seq, b"head %d" % choice, b"body" * choice))]

    def _end(self, choice: int) -> list[Change]:
        if not self.open:
            return []
        seq = self.open.pop(choice % len(self.open))
        self.closed.append(seq)
        self.ended += 1
        return [rows(tables.END, (self.ended, seq, 1, None if choice % 2 else choice, b"reply"))]

    def _move(self, choice: int) -> list[Change]:
        if not self.closed:
            return []
        self.ended += 1
        return [rows(tables.MOVE, (self.ended, choice, self.closed[choice % len(self.closed)]))]

    def _remove(self, choice: int) -> list[Change]:
        among = self.closed if choice % 3 else self.open
        if not among:
            return []
        gone = ((among.pop(choice % len(among)),),)
        return [
            rows(tables.REMOVE_OUTCOME, *gone),
            rows(tables.REMOVE_ENTRY, *gone),
            rows(tables.RAISE_FACT, (choice, "position")),
        ]

    def _mark(self, choice: int) -> list[Change]:
        return [rows(tables.MARK, (KEYS[choice % 3], b"why %d" % choice), (KEYS[choice % 2], b"x"))]

    def _unmark(self, choice: int) -> list[Change]:
        return [rows(tables.UNMARK, (KEYS[choice % 3],))]

    def _park(self, choice: int) -> list[Change]:
        key = KEYS[choice % 3]
        return [
            rows(tables.PARK, (key, choice, b"reason", 1.5)),
            rows(tables.UNMARK, (key,)),
            rows(tables.MARK_LATER, (key, b"")),
        ]

    def _unpark(self, choice: int) -> list[Change]:
        return [rows(tables.UNPARK, (KEYS[choice % 3],)), rows(tables.UNMARK_LATER, (KEYS[choice % 3],))]


ACTS: Final = tuple(name[1:] for name in vars(History) if name.startswith("_") and not name.startswith("__"))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 20)), max_size=60), st.sets(st.integers(0, 60)))
def test_any_steps_change_together_what_they_change_one_by_one(acts: list[Act], cuts: set[int]) -> None:
    """`cuts`: where SQLite gets what there is."""
    history, bodies = History(), bytearray()
    with database() as one_by_one, database() as together:
        net = Net()
        for number, (act, choice) in enumerate(acts):
            changes = history.step(act, choice)
            tables.transact(one_by_one, changes)
            packed, of_step = pack(Step(number, changes, sync=False))
            for sql, each in placed(decode(encode(packed)), of_step, len(bodies)):
                net.take(sql, each)
            bodies += b"".join(of_step)
            if number in cuts:
                tables.transact(together, net.changes(reader(bodies)))
                net = Net()
        tables.transact(together, net.changes(reader(bodies)))
        assert contents(together) == contents(one_by_one)
        tables.check_rows(together, COLUMNS)


def reader(bodies: bytearray) -> Callable[[Place], bytes]:
    return lambda place: bytes(bodies[place.start : place.start + place.size])


def test_what_comes_and_goes_is_in_none_of_it() -> None:
    net, history = Net(), History()
    for act, choice in (("append", 1), ("append", 2), ("end", 0), ("move", 3), ("remove", 1), ("remove", 0)):
        for change in history.step(act, choice):
            net.take(change.sql, change.rows())
    assert [change.sql for change in net.changes() if list(change.rows())] == [tables.RAISE_FACT]
    assert len(net) == 0


def test_a_body_is_not_copied_into_what_is_encoded() -> None:
    body = b"x" * 1000
    packed, bodies = pack(Step(1, [rows(tables.APPEND, (7, b"head", body))], sync=True))
    assert bodies[0] is body
    assert len(encode(packed)) < 30
    assert list(with_bodies(packed, body)) == [(tables.APPEND, [(7, b"head", body)])]


def test_every_statement_has_a_number_of_its_own() -> None:
    assert len(set(tables.STATEMENTS)) == len(tables.STATEMENTS)


@pytest.mark.parametrize("value", [0, -(2**63), 2**63 - 1, None, 1.25, "text", b"\x00\xff"])
def test_what_a_row_may_hold_comes_back_as_it_was(value: object) -> None:
    packed, _ = pack(Step(1, [rows(tables.PARK, (value,))], sync=False))
    assert list(placed(decode(encode(packed)), (), 0)) == [(tables.PARK, [(value,)])]
