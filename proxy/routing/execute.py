"""Runs a write on a backend: which of its calls, and what comes back."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from proxy.errors import Reason, Refused
from proxy.model.operation import (
    DataWrite,
    Done,
    Fetch,
    Opaque,
    Patch,
    Put,
    Remove,
    RemoveWhere,
    Scan,
    last_wins,
)
from proxy.model.point import Key, Point
from proxy.ports import Backend

LISTING_PAGE = 2_000
"""Ids a page while the keys of a write by filter are read."""


async def matching(backend: Backend, write: RemoveWhere, limit: int) -> tuple[Key, ...] | None:
    """The keys that a write by filter selects now, at LATEST; None when they are more than `limit`."""
    keys: list[Key] = []
    scan = _selection(write)
    while True:
        page = await backend.scan(scan)
        keys.extend(point.key for point in page.points)
        if len(keys) > limit:
            return None
        if page.end:
            return tuple(keys)
        scan = replace(scan, after=page.points[-1].key)


async def remove_in_pages(backend: Backend, write: RemoveWhere) -> Done:
    """Of a selection that is too large to be listed at once."""
    removed = 0
    while (page := await backend.scan(_selection(write))).points:
        await backend.remove(tuple(point.key for point in page.points))
        removed += len(page.points)
    return Done(count=removed)


def _selection(write: RemoveWhere) -> Scan:
    return Scan(write.collection, LISTING_PAGE, filter=write.filter, partitions=write.partitions, fields=(), vector_names=())


async def write(backend: Backend, operation: DataWrite, listed: Collection[Key]) -> Done:
    """`listed`: the keys that a write by filter selects. Not atomic over points, as in all four products."""
    match operation:
        case Put(complete=False):
            raise Refused("only a server of the client's own product can make what this request leaves out", Reason.UNSUPPORTED)
        case Put(points=points):
            return await _put(backend, points)
        case Patch(points=points):
            return await _put(backend, await _merged(backend, operation))
        case Remove(keys=keys):
            await backend.remove(tuple(keys))
            return Done(count=len(keys))
        case RemoveWhere():
            if listed:
                await backend.remove(tuple(listed))
            return Done(count=len(listed))
        case Opaque(why=why):
            raise Refused(f"only a server of the client's own product can carry this out: {why}", Reason.UNSUPPORTED)


async def _put(backend: Backend, points: tuple[Point, ...]) -> Done:
    if points:
        await backend.put(last_wins(points))
    return Done(tuple(point.key.id for point in points), len(points))


async def _merged(backend: Backend, patch: Patch) -> tuple[Point, ...]:
    states = await backend.fetch(Fetch(patch.collection, tuple(point.key for point in patch.points)))
    for change in patch.points:
        before = states.get(change.key)
        vectors = {**before.vectors, **change.vectors} if before else change.vectors
        payload = {**before.payload, **change.payload} if before else change.payload
        states[change.key] = Point(change.key, vectors, payload)
    return tuple(states[key] for key in dict.fromkeys(point.key for point in patch.points))
