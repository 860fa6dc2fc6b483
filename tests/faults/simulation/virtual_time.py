"""An event loop whose time passes only when nobody has anything to do: hours in milliseconds, and the same each time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from proxy.model.point import Key

T = TypeVar("T")


class Stuck(Exception):
    """Everybody waits, and nothing will ever happen."""


class _Selector(selectors.SelectSelector):
    """Waiting makes the time pass."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Stuck
        self.passed += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """No threads, no sockets."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.passed


class VirtualClock:
    """ports.Clock on the running VirtualLoop; lives through crashes."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now(self) -> float:
        return 1.8e9 + self._loop.time()

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@contextmanager
def _steady_order() -> Iterator[None]:
    """Sets of keys are walked in the same order in every process: the hash of a str, and of None, is another each time."""
    usual = Key.__hash__
    Key.__hash__ = lambda key: hash(key.id)  # type: ignore[method-assign]
    try:
        yield
    finally:
        Key.__hash__ = usual  # type: ignore[method-assign]


def run(work: Callable[[VirtualClock], Coroutine[Any, Any, T]]) -> T:
    with _steady_order():
        return _run(work)


def _run(work: Callable[[VirtualClock], Coroutine[Any, Any, T]]) -> T:
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(work(VirtualClock(loop)))
    finally:
        loop.run_until_complete(_end_all())
        loop.close()


async def _end_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
