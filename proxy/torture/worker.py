"""Threads that work until they are told to stop, and whose fault is not lost."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable

from proxy.errors import Unavailable


class Worker(threading.Thread):
    """`fault`: what ended it before its time. A daemon: one that hangs in an SDK must not keep the process."""

    def __init__(self, chance: random.Random, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.chance = chance
        self.stop = stop
        self.fault: BaseException | None = None

    def run(self) -> None:
        try:
            self.work()
        except BaseException as error:  # noqa: BLE001  kept for the main thread, which raises it
            self.fault = error

    def work(self) -> None:
        """Until `stop`."""
        raise NotImplementedError


def check(workers: Iterable[Worker]) -> None:
    """Raises what ended one of them."""
    for worker in workers:
        if worker.fault is not None:
            raise worker.fault


def join(workers: Iterable[Worker], seconds: float) -> None:
    """Raises Unavailable where one does not end in time."""
    workers = list(workers)
    deadline = time.monotonic() + seconds
    for worker in workers:
        worker.join(max(0.0, deadline - time.monotonic()))
    check(workers)
    if any(worker.is_alive() for worker in workers):
        raise Unavailable(f"a call has no answer for {seconds:g} s")
