"""A journal whose files were damaged between two processes: its exact state is recovered, or the start is refused and says what
to do; never a part of it.
"""

from __future__ import annotations

import asyncio
import functools
import os
import random
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest

from proxy.config import Fsync, JournalConfig
from proxy.errors import Broken
from proxy.mirror.journal import FILE, Journal
from proxy.mirror.record import Intent
from proxy.model.point import Key
from proxy.ports import Outcome, Reply, Request
from tests.faults.network.ways import Ways
from tests.servers.facade import MilvusFacade

TRIED: Final = int(os.environ.get("VECFERRY_DAMAGES", "60"))
"""Damages of each kind to each file. Nightly: 5000."""
SEED: Final = int(os.environ.get("VECFERRY_SEED", "1"))
KEYS: Final = tuple(Key("books", "p", number) for number in range(300))
MAIN, TABLES_LOG, INDEX, LOG = FILE, f"{FILE}-wal", f"{FILE}-shm", f"{FILE}-log"
SMALL, LARGE = (JournalConfig(log_bytes=size, fsync=Fsync.OFF) for size in (2**16, 2**20))
"""The small one's log has not room for all."""
MARK: Final = 24
"""Bytes at the begin of the log."""
WORDS: Final = r"is damaged \(.*\): .* Move journal\.db\* aside and start again; .* run backfill and verify"
Call: TypeAlias = Callable[[], object]
Damage: TypeAlias = Callable[[bytearray, random.Random], object]


async def fill(directory: Path, config: JournalConfig, at_half: Call | None, at_end: Call) -> None:
    """Everything that a journal can hold. What is called finds all written that came before, and the journal still open;
    `at_half` finds it in SQLite, and what comes after that is in SQLite's log and in ours."""
    journal = Journal.open(directory, config)
    journal.start()
    for seq in range(1, 121):
        body = b"%d" % seq * (seq * 37 % 900)
        step = journal.append(seq, Intent(1, "Upsert", "grpc", Request(b"POST", b"/u", (), body), 1.0))
        if seq % 3:
            journal.end(seq, (Outcome.ACCEPTED, Outcome.UNKNOWN)[seq % 2], None, Reply(200, (), b"%d" % seq))
        if seq == 60 and at_half is not None:
            await journal.written(step)
            await journal.page(0)
            at_half()
    journal.mark(dict.fromkeys(KEYS[:100], "why"))
    journal.mark_later(dict.fromkeys(KEYS[100:150], "later"))
    for key in KEYS[150:160]:
        journal.park(key, "reason", 2.0)
    journal.move(4, 200)
    await journal.written(journal.remove([7, 8], 0, 210))
    at_end()
    journal.close()


def read(directory: Path) -> Any:
    """All that the next process would know. Raises Broken where it refuses."""
    journal = Journal.open(directory, SMALL)
    try:
        return journal.found, asyncio.run(_page(journal))
    finally:
        journal.close()


async def _page(journal: Journal) -> object:
    return await journal.page(0)


@pytest.fixture(scope="module")
def journals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One that was closed in order; one as a kill left it, all of it in the log; and one killed with half of it in SQLite."""
    folder = tmp_path_factory.mktemp("journals")

    def made(name: str, config: JournalConfig, at_half: Callable[[Path], object] | None = None) -> Path:
        source, copy = folder / f"source of {name}", folder / name
        source.mkdir()
        halfway = at_half and functools.partial(at_half, source / MAIN)
        asyncio.run(fill(source, config, halfway, lambda: shutil.copytree(source, copy)))
        return source if name == "closed" else copy

    return {"closed": made("closed", SMALL), "killed": made("killed", LARGE), "half": made("half", SMALL, checkpoint)}


def checkpoint(file: Path) -> None:
    db = sqlite3.connect(file)
    db.execute("pragma wal_checkpoint(passive)")
    db.close()


def cut(content: bytearray, chance: random.Random) -> None:
    del content[chance.randrange(len(content)) :]


def flip(content: bytearray, chance: random.Random) -> None:
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def flip_in_the_header(content: bytearray, chance: random.Random) -> None:
    content[chance.randrange(min(100, len(content)))] ^= chance.randrange(1, 256)


def overwrite(content: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(content))
    part = content[start : start + chance.choice((1, 8, 512, 4096))]
    content[start : start + len(part)] = chance.choice((bytes(len(part)), chance.randbytes(len(part))))


DAMAGES: Final[dict[str, Damage]] = {each.__name__: each for each in (cut, flip, flip_in_the_header, overwrite)}
FILES: Final = {"closed": (MAIN,), "killed": (LOG,), "half": (MAIN, TABLES_LOG, LOG)}
OF_NO_ACCOUNT: Final = ("half", MAIN, "flip_in_the_header")
"""The log has a younger first page; of a journal that is all in its log, it has all pages."""
CASES: Final = [
    case
    for journal, files in FILES.items()
    for file in files
    for name in DAMAGES
    if (case := (journal, file, name)) != OF_NO_ACCOUNT
]


@pytest.mark.parametrize(("journal", "file", "name"), CASES, ids=["-".join(case) for case in CASES])
def test_a_damaged_file_is_told_or_changes_nothing(
    journals: dict[str, Path], tmp_path: Path, journal: str, file: str, name: str
) -> None:
    chance, told = random.Random(f"{SEED} {journal} {file} {name}"), 0
    whole, sound = read_copy(journals[journal], tmp_path), (journals[journal] / file).read_bytes()
    for number in range(TRIED):
        content = bytearray(sound)
        DAMAGES[name](content, chance)
        found = said(read_copy, journals[journal], tmp_path, {file: bytes(content)})
        assert found == whole or (isinstance(found, str) and re.search(WORDS, found)), f"damage {number} of seed {SEED}"
        told += isinstance(found, str)
    assert told > 0


@pytest.mark.parametrize(
    ("journal", "file"), [("closed", MAIN), ("closed", LOG), ("killed", LOG), ("half", LOG), ("half", TABLES_LOG)]
)
def test_a_missing_file_is_told(journals: dict[str, Path], tmp_path: Path, journal: str, file: str) -> None:
    with pytest.raises(Broken, match=WORDS):
        read_copy(journals[journal], tmp_path, {file: None})


def test_a_damaged_mark_is_told(journals: dict[str, Path], tmp_path: Path) -> None:
    sound = (journals["closed"] / LOG).read_bytes()
    cut_short = [sound[:size] for size in range(MARK)]
    flipped = [bytes((*sound[:place], sound[place] ^ 1)) + sound[place + 1 :] for place in range(MARK)]
    for content in cut_short + flipped:
        with pytest.raises(Broken, match=WORDS):
            read_copy(journals["closed"], tmp_path, {LOG: content})


@pytest.mark.parametrize("content", [b"", b"x", bytes(32768), b"\xff" * 32768, None])
def test_the_index_of_the_log_is_made_anew(journals: dict[str, Path], tmp_path: Path, content: bytes | None) -> None:
    whole = read_copy(journals["half"], tmp_path)
    assert read_copy(journals["half"], tmp_path, {INDEX: content}) == whole


def test_tables_of_somebody_else_are_told(journals: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(journals["closed"], tmp_path / "copy")
    db = sqlite3.connect(tmp_path / "copy" / MAIN)
    db.execute("create table notes (text)")
    db.close()
    with pytest.raises(Broken, match=WORDS):
        read(tmp_path / "copy")


def test_after_a_loss_of_power_the_log_is_taken_as_far_as_it_is_whole(journals: dict[str, Path], tmp_path: Path) -> None:
    whole, _ = read_copy(journals["killed"], tmp_path)
    content = bytearray((journals["killed"] / LOG).read_bytes())
    content[len(content.rstrip(b"\0")) // 2] ^= 1
    shutil.copytree(journals["killed"], tmp_path / "cut")
    (tmp_path / "cut" / LOG).write_bytes(content)
    journal = Journal.open(tmp_path / "cut", SMALL, after_power_loss=True)
    journal.close()
    assert 0 < journal.found.entries < whole.entries
    assert read(tmp_path / "cut")[0] == journal.found


def test_after_a_loss_of_power_an_older_end_is_taken_and_the_next_start_finds_it_whole(
    journals: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(journals["half"], tmp_path / "copy")
    for lost in (TABLES_LOG, LOG):
        (tmp_path / "copy" / lost).unlink()
    journal = Journal.open(tmp_path / "copy", SMALL, after_power_loss=True)
    journal.close()
    found, _ = read(tmp_path / "copy")
    assert found == journal.found
    assert 0 < found.entries < 118


def test_a_sidecar_refuses_a_damaged_journal_and_owes_every_collection_without_it(tmp_path: Path) -> None:
    with (
        MilvusFacade() as source,
        Ways(source.url, tmp_path, mirror={"linger": "1s"}) as world,
        world.shelf(10, mirrored=True) as books,
    ):
        sidecar = world.sidecar
        sidecar.drained()
        assert sidecar.task("verify")["found"] == 0
        assert sidecar.status()["debts"] == {}
        sidecar.kill()
        os.truncate(sidecar.state / LOG, MARK)
        with pytest.raises(RuntimeError, match=WORDS):
            sidecar.start()
        for path in sidecar.state.glob(f"{MAIN}*"):
            path.unlink()
        sidecar.start()
        assert "the journal is not the one of before" in sidecar.status()["debts"][books.name]
        assert sidecar.task("verify")["found"] == 0
        assert sidecar.status()["debts"] == {}


def said(call: Callable[..., Any], *given: object) -> Any:
    """What it gives, or the words with which it refuses."""
    try:
        return call(*given)
    except Broken as error:
        return str(error)


def read_copy(journal: Path, folder: Path, instead: dict[str, bytes | None] | None = None) -> Any:
    """`instead` of some of its files; None: it is gone."""
    copy = folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(journal, copy)
    for name, content in (instead or {}).items():
        if content is None:
            (copy / name).unlink()
        else:
            (copy / name).write_bytes(content)
    return read(copy)
