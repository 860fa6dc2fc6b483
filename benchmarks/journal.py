"""What a key costs the journal: an append of 51 KB until it is durable, with a key and without, in turns."""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import uvloop
from pydantic import SecretStr

from benchmarks.figures import Figure, Spread
from proxy.config import JournalConfig
from proxy.errors import ProxyError
from proxy.mirror.journal import Journal
from proxy.mirror.record import Intent
from proxy.ports import Request

SIZE: Final = 51 * 1024
"""Of 100 points with 128 floats each."""
ROUNDS: Final = 30
BLOCK: Final = 100
"""Appends of one round, one after the other."""


def figures(quick: bool) -> list[Figure]:
    configs = {"plain": JournalConfig(), "sealed": JournalConfig(key=SecretStr(b64encode(os.urandom(32)).decode()))}
    with tempfile.TemporaryDirectory(prefix="vecferry-journal-") as folder:
        found = uvloop.run(_measured(Path(folder), configs, 3 if quick else ROUNDS))
    return [
        _figure("time of an append of 51 KB until durable, with a key", "ms", 1e3, found["plain"].took, found["sealed"].took),
        _figure("CPU of an append of 51 KB, with a key", "us", 1e6, found["plain"].worked, found["sealed"].worked),
    ]


class _Times:
    """Seconds an append, one number a round: by the clock and of CPU."""

    def __init__(self) -> None:
        self.took: list[float] = []
        self.worked: list[float] = []


async def _measured(folder: Path, configs: Mapping[str, JournalConfig], rounds: int) -> dict[str, _Times]:
    times = {name: _Times() for name in configs}
    journals = {}
    for name, config in configs.items():
        (folder / name).mkdir()
        journals[name] = journal = Journal.open(folder / name, config)
        journal.start()
    for number in range(rounds):
        for name, journal in journals.items():
            took, worked = time.perf_counter(), time.process_time()
            await _append(journal, number * BLOCK)
            times[name].took.append((time.perf_counter() - took) / BLOCK)
            times[name].worked.append((time.process_time() - worked) / BLOCK)
    for journal in journals.values():
        journal.close()
    return times


async def _append(journal: Journal, first: int) -> None:
    body = os.urandom(SIZE)
    for seq in range(first, first + BLOCK):
        durable: asyncio.Future[ProxyError | None] = asyncio.get_running_loop().create_future()
        step = journal.append(seq, Intent(1, "Upsert", "grpc", Request(b"POST", b"/x", (), body), 0.0))
        journal.when_durable(step, durable.set_result)
        if (error := await durable) is not None:
            raise error


def _figure(name: str, unit: str, scale: float, plain: list[float], sealed: list[float]) -> Figure:
    ratios = Spread.of([one / other for one, other in zip(sealed, plain, strict=True)])
    note = f"{statistics.median(sealed) * scale:.3g} {unit}, without {statistics.median(plain) * scale:.3g} {unit}; {ratios}"
    return Figure(name, ratios.median, "x without", None, note)
