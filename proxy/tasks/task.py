"""One named task: its status, and the progress that its job reports."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, TypeAlias

from proxy.live import Progress
from proxy.ports import Clock

Job: TypeAlias = Callable[[tuple[str, ...], Progress], Coroutine[Any, Any, None]]
"""Runs over the named collections, () for all; goes on from its own checkpoint."""


class TaskState(StrEnum):
    IDLE = "idle"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ACTIVE: Final = frozenset({TaskState.RUNNING, TaskState.PAUSED})


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """`done` and `total` in points, `rate` in points a second of the time it ran since this process took it up.

    `error`: why it failed, or what a running one waits for. Times in seconds since the epoch.
    """

    name: str
    state: TaskState = TaskState.IDLE
    collections: tuple[str, ...] = ()
    done: int = 0
    total: int = 0
    rate: float = 0.0
    error: str = ""
    started: float | None = None
    finished: float | None = None


class Task:
    """Implements `Progress` for its job."""

    def __init__(self, name: str, job: Job, clock: Clock) -> None:
        self.status = TaskStatus(name)
        self.job = job
        self._clock = clock
        self._going = asyncio.Event()
        self._meter: tuple[float, int] | None = None

    def enter(self, status: TaskStatus) -> None:
        """Rates are measured anew from here."""
        self.status = status
        self._meter = None
        if status.state is TaskState.PAUSED:
            self._going.clear()
        else:
            self._going.set()

    def report(self, done: int, total: int) -> None:
        now = self._clock.monotonic()
        since, first = self._meter = self._meter or (now, done)
        rate = (done - first) / (now - since) if now > since else 0.0
        self.status = replace(self.status, done=done, total=max(total, done), rate=rate, error="")

    def stalled(self, why: str) -> None:
        self.status = replace(self.status, error=why)

    async def turn(self) -> None:
        await self._going.wait()
