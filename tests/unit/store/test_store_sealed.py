"""A state database with a key: no id, filter or answer is readable in its files, and another key starts it anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.clock import SystemClock
from proxy.model.point import Key
from proxy.store.checkpoints import Checkpoints
from proxy.store.ledger import Divergence, Ledger
from proxy.store.samples import SampleRow, Samples
from proxy.store.seal import PLAIN, Aes256, Seal
from proxy.store.store import Store

MARK = "mArKeD"
A, B = Aes256(b"a" * 32), Aes256(b"b" * 32)
SAMPLE = SampleRow("books", 1.0, "Search", f"digest-{MARK}", 0.5, 0.5, 0.1, 0.01, None, {"filter": f"email == {MARK}"})
KEYS = [Key("books", None, f"{number}-{MARK}") for number in range(3)]


class Nouns:
    def __init__(self, directory: Path, seal: Seal) -> None:
        self.store = Store(directory / "state.db", seal)
        self.ledger = Ledger(self.store, SystemClock())
        self.checkpoints = Checkpoints(self.store)
        self.samples = Samples(self.store, 10)

    async def fill(self) -> None:
        await self.ledger.record([Divergence(key, "missing", f"detail {MARK}") for key in KEYS])
        await self.ledger.resolve([KEYS[2]])
        await self.checkpoints.save("verify", {"after": MARK})
        await self.samples.add(1, [SAMPLE], {"books": f"figures {MARK}"})

    async def clear(self) -> None:
        for noun in (self.ledger, self.checkpoints, self.samples):
            await noun.clear()
        await self.store.prove()


async def filled(directory: Path, seal: Seal) -> None:
    nouns = Nouns(directory, seal)
    await nouns.store.prove()
    await nouns.fill()
    nouns.store.close()


def on_disk(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.iterdir())


@pytest.mark.parametrize("seal", [A, PLAIN], ids=["sealed", "plain"])
async def test_all_comes_back_under_the_same_key(tmp_path: Path, seal: Seal) -> None:
    await filled(tmp_path, seal)
    assert (MARK.encode() in on_disk(tmp_path)) is (seal is PLAIN)
    nouns = Nouns(tmp_path, seal)
    assert nouns.store.proven
    found = await nouns.ledger.page("books", 1)
    found += await nouns.ledger.page("books", 5, after=found[0].key)
    assert {(one.key, one.detail) for one in found} == {(key, f"detail {MARK}") for key in KEYS[:2]}
    assert await nouns.checkpoints.load("verify") == {"after": MARK}
    assert await nouns.samples.worst(1, "books", 5) == (SAMPLE,)
    assert nouns.samples.figures(1) == {"books": f"figures {MARK}"}
    nouns.store.close()


@pytest.mark.parametrize(("before", "after"), [(A, B), (PLAIN, A), (A, PLAIN)])
async def test_another_key_is_told_and_takes_an_empty_state_over(tmp_path: Path, before: Seal, after: Seal) -> None:
    await filled(tmp_path, before)
    nouns = Nouns(tmp_path, after)
    assert not nouns.store.proven
    await nouns.clear()
    assert (nouns.ledger.counts(), await nouns.checkpoints.load("verify"), nouns.samples.figures(1)) == ({}, None, {})
    nouns.store.close()
    assert MARK.encode() not in on_disk(tmp_path), "what was cleared is gone from the file too"
    nouns = Nouns(tmp_path, after)
    assert nouns.store.proven
    nouns.store.close()
