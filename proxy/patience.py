"""Trying again, for long work that nobody waits for: only Unavailable, with growing pauses, until cancelled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, ParamSpec, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential

from proxy.errors import Throttled, Unavailable
from proxy.ports import Clock

P = ParamSpec("P")
T = TypeVar("T")

FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 15.0
"""Seconds."""

_growing = wait_exponential(FIRST_PAUSE, max=LONGEST_PAUSE)


class Patience:
    """`await patience(call, *arguments)`; `stalled` hears why before each pause."""

    def __init__(self, clock: Clock, stalled: Callable[[str], None]) -> None:
        self._clock = clock
        self._stalled = stalled

    async def __call__(self, call: Callable[P, Awaitable[T]], *arguments: P.args, **named: P.kwargs) -> T:
        # One for each call: tenacity keeps the state of a call in the object.
        retrying = AsyncRetrying(
            sleep=self._clock.sleep,
            retry=retry_if_exception_type(Unavailable),
            wait=_pause,
            before_sleep=lambda state: self._stalled(str(_failure(state))),
            reraise=True,
        )
        return await retrying(call, *arguments, **named)


def _pause(state: RetryCallState) -> float:
    failure = _failure(state)
    asked = failure.retry_after if isinstance(failure, Throttled) else None
    return max(_growing(state), asked or 0.0)


def _failure(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
