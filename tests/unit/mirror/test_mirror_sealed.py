"""A journal with a key: nothing of the application's is readable in its files, and only its own key opens it."""

from __future__ import annotations

import sqlite3
from base64 import b64encode
from pathlib import Path

import pytest
from pydantic import SecretStr

from proxy.config import JournalConfig
from proxy.errors import Broken, ConfigError
from proxy.mirror.damage import digest
from proxy.mirror.journal import Journal
from proxy.mirror.record import Intent
from proxy.mirror.tables import COLUMNS
from proxy.model.point import Key
from proxy.ports import Outcome, Reply, Request

MARK = "mArKeD"
KEYS = {name: JournalConfig(key=SecretStr(b64encode(bytes([number] * 32)).decode())) for number, name in enumerate("ab")}
CONFIGS = {"none": JournalConfig()} | KEYS
SEALED = KEYS["a"]
POINTS = tuple(Key(f"collection-{MARK}", f"partition-{MARK}", f"{kind}-{MARK}") for kind in ("dirty", "recheck", "parked"))


def intent(number: int) -> Intent:
    path, body = f"/put/{MARK}".encode(), f"body {number} {MARK}".encode()
    return Intent(1, f"put-{MARK}", "rest", Request(b"POST", path, ((b"dbname", MARK.encode()),), body), 1.0, POINTS)


async def filled(directory: Path, config: JournalConfig) -> None:
    """Everything that a journal can hold, each thing marked."""
    journal = Journal.open(directory, config)
    journal.start()
    for seq in (1, 2, 3):
        journal.append(seq, intent(seq))
    journal.end(1, Outcome.ACCEPTED, 4, Reply(200, ((b"grpc-message", MARK.encode()),), f"reply {MARK}".encode()))
    journal.end(2, Outcome.UNKNOWN, None, None)
    dirty, recheck, parked = POINTS
    journal.mark({dirty: f"why {MARK}", parked: "x"})
    journal.mark_later({recheck: f"why {MARK}"})
    journal.park(parked, f"reason {MARK}", 1.0)
    await journal.written(journal.end(3, Outcome.REFUSED, 5, None))
    journal.close()


def on_disk(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.iterdir())


async def test_all_comes_back_under_the_same_key(tmp_path: Path) -> None:
    await filled(tmp_path, SEALED)
    journal = Journal.open(tmp_path, SEALED)
    journal.start()
    dirty, recheck, parked = POINTS
    assert (dict(journal.found.dirty), dict(journal.found.rechecks)) == ({dirty: f"why {MARK}"}, {recheck: f"why {MARK}"})
    assert [(item.key, item.reason) for item in journal.found.parked] == [(parked, f"reason {MARK}")]
    page = await journal.page(0)
    assert [stored.intent for stored in page] == [intent(seq) for seq in (1, 2, 3)]
    assert page[0].reply == Reply(200, ((b"grpc-message", MARK.encode()),), f"reply {MARK}".encode())
    assert journal.bytes == sum(len(intent(seq).request.body) for seq in (1, 2, 3))
    journal.close()


async def test_marks_are_taken_away_by_their_keys(tmp_path: Path) -> None:
    await filled(tmp_path, SEALED)
    journal = Journal.open(tmp_path, SEALED)
    journal.start()
    journal.unmark(POINTS)
    journal.unmark_later(POINTS)
    journal.unpark(POINTS)
    await journal.written(journal.remove([1, 2, 3], 0, 9))
    journal.close()
    journal = Journal.open(tmp_path, SEALED)
    found = journal.found
    assert (found.entries, found.bytes, found.dirty, found.rechecks, found.parked) == (0, 0, {}, {}, ())
    journal.close()


@pytest.mark.parametrize(("name", "readable"), [("none", True), ("a", False)])
async def test_nothing_of_it_can_be_read_on_the_disk(tmp_path: Path, name: str, readable: bool) -> None:
    await filled(tmp_path, CONFIGS[name])
    assert (MARK.encode() in on_disk(tmp_path)) is readable


@pytest.mark.parametrize(
    ("written", "opened", "says"),
    [
        ("a", "b", "sealed with another key, so give that one"),
        ("a", "none", "is sealed, so give the key"),
        ("none", "a", "written without a key, so start without one"),
    ],
)
async def test_another_key_is_refused_and_changes_nothing(tmp_path: Path, written: str, opened: str, says: str) -> None:
    await filled(tmp_path, CONFIGS[written])
    with pytest.raises(ConfigError, match=f"journal.key: .*{says}.*run empty"):
        Journal.open(tmp_path, CONFIGS[opened])
    journal = Journal.open(tmp_path, CONFIGS[written])
    assert (journal.entries, len(journal.found.dirty)) == (3, 1)
    journal.close()


@pytest.mark.parametrize(("before", "after"), [("none", "a"), ("a", "b"), ("a", "none")])
async def test_an_empty_journal_takes_another_key_and_keeps_its_numbers(tmp_path: Path, before: str, after: str) -> None:
    await filled(tmp_path, CONFIGS[before])
    journal = Journal.open(tmp_path, CONFIGS[before])
    journal.start()
    journal.unmark(POINTS)
    journal.unmark_later(POINTS)
    journal.unpark(POINTS)
    await journal.written(journal.remove([1, 2, 3], 0, 9))
    journal.close()
    taken = Journal.open(tmp_path, CONFIGS[after])
    assert (taken.found.position, taken.found.parked_number) == (9, 1)
    taken.close()
    assert MARK.encode() not in on_disk(tmp_path), "what was removed under the key before is gone from the file too"
    await filled(tmp_path, CONFIGS[after])
    with pytest.raises(ConfigError):
        Journal.open(tmp_path, CONFIGS[before])


MOVED = {
    "a body": "update entries set body = (select body from entries where seq = 2) where seq = 1",
    "a head": "update entries set head = (select head from entries where seq = 2) where seq = 1",
    "an entry": "update entries set seq = 9 where seq = 1; update outcomes set seq = 9 where seq = 1",
    "a reply": "update outcomes set reply = (select reply from outcomes where seq = 1) where seq = 2",
    "a key": "insert into dirty select * from rechecks",
    "a reason": "update dirty set why = (select why from rechecks)",
    "a parked key": "insert into parked select key, 7, why, 1.0, 0 from dirty",
    "a stranger": "update entries set body = x'00' where seq = 1",
}


@pytest.mark.parametrize("sql", MOVED.values(), ids=MOVED)
async def test_a_record_in_anothers_place_is_told_and_never_read(tmp_path: Path, sql: str) -> None:
    await filled(tmp_path, SEALED)
    forge(tmp_path / "journal.db", sql)
    with pytest.raises(Broken, match="damaged or out of its place"):
        await read_back(tmp_path)


def forge(path: Path, sql: str) -> None:
    """The checksums are against damage: whoever changes records makes new ones too."""
    db = sqlite3.connect(path)
    db.create_function("digest", -1, digest)
    db.executescript(sql)
    for table, columns in COLUMNS.items():
        db.execute(f"update {table} set sum = digest({', '.join(columns)})")
    db.commit()
    db.close()


async def read_back(directory: Path) -> None:
    journal = Journal.open(directory, SEALED)
    journal.start()
    try:
        await journal.page(0)
    finally:
        journal.close()
