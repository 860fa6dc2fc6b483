from __future__ import annotations

import asyncio
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from proxy.config import Fsync, JournalConfig
from proxy.errors import Broken, ProxyError, Unavailable, Uncertain
from proxy.mirror.journal import BYTES_AT_ONCE, KEYS_AT_ONCE, Journal
from proxy.mirror.record import Intent, decode_head, decode_key, decode_reply, encode_head, encode_key, encode_reply
from proxy.model.point import Key
from proxy.ports import Outcome, Reply, Request

REQUEST = Request(b"POST", b"/put", ((b"content-type", b"x"), (b"authorization", b"Bearer s3cret")), b"body")


SMALL = JournalConfig(log_bytes=2**16)


def intent(body: bytes = b"body") -> Intent:
    return Intent(1, "put", "rest", Request(b"POST", b"/put", (), body), 12.5)


@asynccontextmanager
async def opened(directory: Path, config: JournalConfig | None = None) -> AsyncIterator[Journal]:
    journal = Journal.open(directory, config or JournalConfig())
    journal.start()
    try:
        yield journal
    finally:
        journal.close()


async def reached(register: Callable[[int, Callable[[ProxyError | None], None]], None], step: int) -> ProxyError | None:
    future: asyncio.Future[ProxyError | None] = asyncio.get_running_loop().create_future()
    register(step, future.set_result)
    async with asyncio.timeout(10):
        return await future


def sizes_and_modes(directory: Path) -> dict[int, int]:
    found = [path.stat() for path in directory.iterdir()]
    return {stat.st_size: stat.st_mode & 0o777 for stat in found}


@pytest.mark.parametrize("number", [0, -5, 2**63 - 1, -(2**63), 2**64 - 1, "1", "", UUID(int=7)])
@pytest.mark.parametrize("partition", [None, "", "p"])
def test_a_key_comes_back_as_it_was(number: int | str | UUID, partition: str | None) -> None:
    key = Key("c", partition, number)
    assert decode_key(encode_key(key)) == key


def test_an_intent_comes_back_without_its_credentials() -> None:
    head = encode_head(Intent(3, "put", "rest", REQUEST, 1.5, (Key("c", None, 1),), since=9))
    kept = Request(b"POST", b"/put", ((b"content-type", b"x"),), b"body")
    assert decode_head(head, b"body") == Intent(3, "put", "rest", kept, 1.5, (Key("c", None, 1),), since=9)
    assert b"s3cret" not in head


def test_no_listing_and_an_empty_one_are_told_apart() -> None:
    assert [decode_head(encode_head(Intent(1, "x", "", REQUEST, 0.0, keys)), b"").keys for keys in (None, ())] == [None, ()]


def test_a_reply_comes_back_without_its_cookies() -> None:
    reply = Reply(200, ((b"set-cookie", b"x"), (b"content-type", b"y")), b"body", ((b"grpc-status", b"0"),))
    assert decode_reply(encode_reply(reply)) == Reply(200, ((b"content-type", b"y"),), b"body", ((b"grpc-status", b"0"),))


@pytest.mark.parametrize("name", [b"authorization", b"proxy-authorization", b"x-session", b"x-acme-pass", b"cookie"])
def test_no_header_that_nobody_needs_is_kept(name: bytes) -> None:
    marked = ((name, b"mArKeD"),)
    assert b"mArKeD" not in encode_head(Intent(1, "x", "", Request(b"POST", b"/", marked, b""), 0.0))
    assert b"mArKeD" not in encode_reply(Reply(200, marked, b"", marked))


@pytest.mark.parametrize("fsync", list(Fsync))
async def test_what_is_durable_is_there_after_a_reopen(tmp_path: Path, fsync: Fsync) -> None:
    config = JournalConfig(fsync=fsync, fsync_interval=0.01)
    async with opened(tmp_path, config) as journal:
        step = journal.append(5, intent())
        assert await reached(journal.when_written, step) is None
        assert await reached(journal.when_durable, step) is None
    async with opened(tmp_path, config) as journal:
        assert (journal.entries, journal.bytes, journal.found.position) == (1, 4, 5)
        assert journal.found.unended == {5: intent()}


async def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    async with opened(tmp_path):
        assert set(sizes_and_modes(tmp_path).values()) == {0o600}


async def test_outcomes_come_back_in_their_order_and_removed_ones_do_not(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        for seq in (1, 2, 3):
            journal.append(seq, intent())
        journal.end(2, Outcome.ACCEPTED, 4, Reply(200, (), b"ids"))
        journal.end(1, Outcome.UNKNOWN, None, None)
        journal.end(3, Outcome.ACCEPTED, 5, None)
        journal.move(1, 6)
        journal.remove([3], 4, position=6)
    async with opened(tmp_path) as journal:
        page = await journal.page(0)
        assert [(s.seq, s.ended, s.outcome, s.horizon) for s in page] == [
            (2, 1, Outcome.ACCEPTED, 4),
            (1, 4, Outcome.UNKNOWN, 6),
        ]
        assert page[0].reply == Reply(200, (), b"ids")
        assert (journal.entries, journal.found.position, journal.found.ended) == (2, 6, 4)


async def test_ticks_are_not_used_twice_when_the_journal_was_empty(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        journal.append(7, intent())
        journal.remove([7], 4, position=9)
    async with opened(tmp_path) as journal:
        assert journal.found.position == 9


async def test_keys_come_back_with_why_they_are_dirty(tmp_path: Path) -> None:
    one, two, three = (Key("c", None, number) for number in (1, 2, 3))
    async with opened(tmp_path) as journal:
        journal.mark({one: "a", two: "b"})
        journal.mark_later({two: "late"})
        journal.unmark([one])
        journal.mark({three: "x"})
        parked = journal.park(three, "too large", at=1.0)
    async with opened(tmp_path) as journal:
        found = journal.found
        assert (found.dirty, found.rechecks, found.parked) == ({two: "b"}, {two: "late"}, (parked,))
        assert journal.park(one, "again", at=2.0).id == parked.id + 1


async def test_many_writes_share_a_commit(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        told: list[int] = []
        steps = [journal.append(seq, intent()) for seq in range(1, 501)]
        for step in steps:
            journal.when_durable(step, lambda error, step=step: told.append(step))
        assert await reached(journal.when_durable, steps[-1]) is None
        assert told == steps


async def test_the_log_of_sqlite_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.mirror.tables.LOG_LIMIT", 2**18)
    log, highest = tmp_path / "journal.db-wal", 0
    async with opened(tmp_path, SMALL) as journal:
        for seq in range(1, 1000):
            assert await reached(journal.when_written, journal.append(seq, intent(b"x" * 8000))) is None
            highest = max(highest, log.stat().st_size)
    assert 2**18 < highest < 2**20
    async with opened(tmp_path) as journal:
        assert journal.entries == 999


async def test_what_comes_and_goes_is_never_in_sqlite(tmp_path: Path) -> None:
    async with opened(tmp_path, SMALL) as journal:
        for seq in range(1, 500):
            step = journal.append(seq, intent(b"x" * 1000))
            journal.end(seq, Outcome.ACCEPTED, seq, None)
            journal.remove([seq], 1000, position=seq)
            assert await reached(journal.when_durable, step) is None
        shutil.copytree(tmp_path, tmp_path / "died")
    assert (tmp_path / "died" / "journal.db-wal").stat().st_size < 500_000
    async with opened(tmp_path / "died", SMALL) as journal:
        assert (journal.entries, journal.found.position, journal.found.ended) == (0, 499, 0)


async def test_what_stays_is_not_held_in_memory_for_ever(tmp_path: Path, set_limit: Callable[[str, float], None]) -> None:
    set_limit("proxy.mirror.writer.HELD_ROWS", 50)
    async with opened(tmp_path) as journal:
        for seq in range(1, 500):
            assert await reached(journal.when_durable, journal.append(seq, intent())) is None
            assert journal._writer._tail.holds < 400  # type: ignore[attr-defined]
        assert (tmp_path / "journal.db-wal").stat().st_size > 30_000


async def test_a_sync_is_of_all_that_wait_for_one_in_any_order(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, JournalConfig())
    for number in (2, 1):
        journal._writer._unsynced.put(number)  # type: ignore[attr-defined]
    journal.start()
    async with asyncio.timeout(10):
        await journal.until(lambda: journal.progress.durable == 2)
    journal.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_step_that_cannot_be_encoded_ends_the_journal_and_is_not_dropped_in_silence(tmp_path: Path) -> None:
    """What waited to be written with it would be missing after a death, and nobody would know."""
    async with opened(tmp_path) as journal:
        journal.append(1, intent())
        journal.end(1, Outcome.ACCEPTED, 2**70, None)
        with pytest.raises(OverflowError):
            journal.append(3, intent())
        async with asyncio.timeout(10):
            await journal.until(lambda: isinstance(journal.error, Broken))


async def test_whatever_keeps_sqlite_from_taking_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: object) -> None:
        raise sqlite3.InterfaceError("bad parameter or other API misuse")

    monkeypatch.setattr("proxy.mirror.keeper.transact", fail)
    async with opened(tmp_path, SMALL) as journal:
        for seq in range(1, 16):  # half of the log, and not all of it
            journal.append(seq, intent(b"x" * 4000))
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await journal.until(lambda: isinstance(journal.error, Broken))
        monkeypatch.undo()


async def test_a_body_that_was_changed_in_the_log_does_not_become_a_sound_row(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        journal.append(1, intent(b"as it was sent"))
        with (tmp_path / "journal.db-log").open("r+b") as file:
            place = file.read().index(b"as it was sent")
            file.seek(place)
            file.write(b"as it was SENT")
        with pytest.raises(Broken, match="log"):
            await journal.page(0)


async def test_what_is_longer_than_the_log_goes_by_it_in_order(tmp_path: Path) -> None:
    long = intent(b"x" * 100_000)
    async with opened(tmp_path, SMALL) as journal:
        for seq in (1, 2, 4, 5):
            journal.append(seq, long if seq % 2 == 0 else intent(b"%d" % seq))
        journal.end(4, Outcome.ACCEPTED, 6, None)
        last = journal.append(7, intent(b"7"))
        assert await reached(journal.when_durable, last) is None
        shutil.copytree(tmp_path, tmp_path / "died")
    for _ in range(2):
        async with opened(tmp_path / "died", SMALL) as found:
            assert found.found.unended == {1: intent(b"1"), 2: long, 5: intent(b"5"), 7: intent(b"7")}
            assert [stored.seq for stored in await found.page(0)] == [4]


async def test_what_is_read_back_is_all_that_is_written(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        for seq in range(1, 4):
            journal.append(seq, intent(b"%d" % seq))
            journal.end(seq, Outcome.ACCEPTED, seq, None)
        await journal.written(journal.remove([2], 1, position=3))
        assert [(stored.seq, stored.intent.request.body) for stored in await journal.page(0)] == [(1, b"1"), (3, b"3")]
        await journal.written(journal.remove([1], 1, position=3))
        assert [stored.seq for stored in await journal.page(0)] == [3]


async def test_a_truncated_file_is_told_and_not_half_read(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        for seq in range(1, 50):
            journal.append(seq, intent(b"x" * 8000))
    file = tmp_path / "journal.db"
    os.truncate(file, file.stat().st_size // 2)
    with pytest.raises(Broken, match=r"damaged.*backfill and verify"):
        Journal.open(tmp_path, JournalConfig())


async def test_a_file_of_something_else_is_told(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(Broken, match="damaged"):
        Journal.open(tmp_path, JournalConfig())


async def test_a_later_version_is_told(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    with sqlite3.connect(tmp_path / "journal.db") as db:
        db.execute("update facts set value = 99 where name = 'version'")
    db.close()
    with pytest.raises(Broken, match="version 99"):
        Journal.open(tmp_path, JournalConfig())


@contextmanager
def disk_full_at(size: int) -> Iterator[None]:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limit[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)


async def test_a_full_disk_refuses_writes_until_there_is_room(tmp_path: Path) -> None:
    async with opened(tmp_path, SMALL) as journal:
        assert await reached(journal.when_written, journal.append(1, intent())) is None
        with disk_full_at(max(sizes_and_modes(tmp_path)) + 4096):
            error = await reached(journal.when_written, journal.append(2, intent(b"x" * 200_000)))
            assert isinstance(error, Unavailable)
            assert not journal.keeps_up
        async with asyncio.timeout(10):
            await journal.until(lambda: journal.error is None)
        assert await reached(journal.when_durable, journal.append(3, intent())) is None
    async with opened(tmp_path, SMALL) as journal:
        assert set(journal.found.unended) == {1, 2, 3}


async def test_a_disk_that_is_full_when_the_log_needs_room_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    async with opened(tmp_path, SMALL) as journal:
        seq = 0
        with disk_full_at(max(sizes_and_modes(tmp_path)) + 4096):
            while journal.keeps_up and seq < 100:
                seq += 1
                journal.append(seq, intent(b"x" * 4000))
                await asyncio.sleep(0.001)
            assert isinstance(journal.error, Unavailable)
            told: list[ProxyError | None] = []
            while not any(told) and seq < 100:  # the other half has room yet
                seq += 1
                journal.when_written(journal.append(seq, intent(b"x" * 4000)), told.append)
                await asyncio.sleep(0.3)
            assert type(told[-1]) is Unavailable
        async with asyncio.timeout(10):
            await journal.until(lambda: journal.error is None)
        assert list(await journal.page(0)) == []
    async with opened(tmp_path, SMALL) as journal:
        assert journal.entries == seq
        assert set(journal.found.unended) == set(range(1, seq + 1))


async def test_an_intent_survives_a_death_at_once(tmp_path: Path) -> None:
    """No thread of this journal runs."""
    journal = Journal.open(tmp_path, JournalConfig())
    told: list[ProxyError | None] = []
    journal.when_written(journal.append(1, intent()), told.append)
    journal.when_written(journal.append(3, intent(b"third")), told.append)
    assert told == [None, None]
    journal.when_written(journal.append(2, intent(b"x" * (BYTES_AT_ONCE + 1))), told.append)
    many = replace(intent(), keys=tuple(Key("c", None, number) for number in range(KEYS_AT_ONCE + 1)))
    journal.when_written(journal.append(4, many), told.append)
    journal.when_written(journal.append(5, intent()), told.append)  # behind what the thread has
    assert told == [None, None]
    shutil.copytree(tmp_path, tmp_path / "died")
    journal.close()
    for _ in range(2):  # of no account how often it dies
        async with opened(tmp_path / "died") as found:
            assert found.found.unended == {1: intent(), 3: intent(b"third")}
            assert found.found.position == 3


async def test_a_write_that_the_primary_has_waits_for_a_full_disk_and_is_then_uncertain(tmp_path: Path) -> None:
    async with opened(tmp_path, JournalConfig(block_timeout=0.5, log_bytes=2**16)) as journal:
        one = journal.append(1, intent(b"y"))
        assert await reached(journal.when_written, one) is None
        with disk_full_at(max(sizes_and_modes(tmp_path)) + 4096):
            other = journal.append(2, intent(b"x" * (BYTES_AT_ONCE + 1)))
            assert type(await reached(journal.when_written, other)) is Unavailable
            assert type(await reached(journal.when_durable, other)) is Uncertain
        async with asyncio.timeout(10):
            await journal.until(lambda: journal.error is None)
        assert await reached(journal.when_durable, other) is None


CHILD = """
import asyncio, sys
from pathlib import Path
from proxy.config import JournalConfig
from proxy.mirror.journal import BYTES_AT_ONCE, KEYS_AT_ONCE, Journal
from proxy.mirror.record import Intent
from proxy.ports import Outcome, Request

async def main():
    journal = Journal.open(Path(sys.argv[1]), JournalConfig(log_bytes=2**19))  # longer records than a half
    journal.start()
    seq = journal.found.position
    print("ready", flush=True)
    while True:
        for _ in range(20):
            seq += 1
            step = journal.append(seq, Intent(1, "put", "", Request(b"POST", b"/put", (), b"x" * 3000), 0.0))
            journal.when_written(step, lambda error, seq=seq: print(seq, flush=True))
            if seq % 3 == 0:
                journal.end(seq, Outcome.ACCEPTED, seq, None)
            if seq % 5 == 0:
                journal.append(seq + 1, Intent(1, "put", "", Request(b"POST", b"/put", (), b"x" * 300_000), 0.0))
                seq += 1
        await asyncio.sleep(0.001)

asyncio.run(main())
"""


def test_a_kill_at_any_moment_loses_no_written_intent(tmp_path: Path) -> None:
    told = 0
    for pause in (0.02, 0.11, 0.27):
        with subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            with pytest.raises(subprocess.TimeoutExpired):
                child.wait(pause)
            child.send_signal(signal.SIGKILL)
            lines = child.stdout.read().split()
        told = int(lines[-2]) if len(lines) > 1 else told
        journal = Journal.open(tmp_path, JournalConfig())
        journal.close()
        assert journal.entries >= told
        assert journal.found.position >= told
