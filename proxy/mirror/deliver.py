"""Brings states to the secondary, and finds the points that it refuses for good."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeVar

from proxy.errors import NotFound, Reason, Refused, Unavailable, Unsupported
from proxy.model.point import Key, Point
from proxy.ports import Backend

T = TypeVar("T", Point, Key)

_OF_THE_SIDE: Final = {Reason.UNAUTHENTICATED, Reason.FORBIDDEN, Reason.UNSUPPORTED}
"""Refusals of any call, whatever its points: an expired key, a server without such a call. They end when that is mended."""


async def deliver(secondary: Backend, state: Mapping[Key, Point | None], batch: int) -> dict[Key, str]:
    """Each key of one collection becomes its point, or is removed where there is none; `batch` in one call.

    Returns the keys that the secondary refuses, with its words. Raises Unavailable, Uncertain, NotFound (no such collection).
    """
    puts = [point for point in state.values() if point is not None]
    removes = [key for key, point in state.items() if point is None]
    refused: dict[Key, str] = {}
    for first in range(0, len(puts), batch):
        refused |= await _split(secondary.put, puts[first : first + batch], _key_of_point)
    for first in range(0, len(removes), batch):
        refused |= await _split(secondary.remove, removes[first : first + batch], _itself)
    return refused


async def _split(call: Callable[[Sequence[T]], Awaitable[None]], items: Sequence[T], key: Callable[[T], Key]) -> dict[Key, str]:
    try:
        await call(items)
    except NotFound:
        raise
    except Refused as error:
        if error.reason in _OF_THE_SIDE and not isinstance(error, Unsupported):
            raise Unavailable(str(error)) from error
        if len(items) == 1:
            return {key(items[0]): str(error)}
        middle = len(items) // 2
        return {**await _split(call, items[:middle], key), **await _split(call, items[middle:], key)}
    return {}


def _key_of_point(point: Point) -> Key:
    return point.key


def _itself(key: Key) -> Key:
    return key
