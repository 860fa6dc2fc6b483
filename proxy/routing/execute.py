"""Runs a write on a backend: which of its calls, and what comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import replace

from proxy.errors import NotFound, Reason, Refused
from proxy.model.edit import edited
from proxy.model.evaluate import matches
from proxy.model.operation import (
    Batch,
    DataWrite,
    Done,
    Edit,
    EditWhere,
    Fetch,
    Opaque,
    Patch,
    Put,
    PutIf,
    Remove,
    RemoveWhere,
    Scan,
    Selection,
    SingleWrite,
    last_wins,
)
from proxy.model.point import Key, Point
from proxy.ports import Backend

LISTING_PAGE = 2_000
"""Ids a page while the keys of a write by filter are read."""


async def matching(backend: Backend, selection: Selection, limit: int) -> tuple[Key, ...] | None:
    """The keys that a write by filter selects now, at LATEST; None when they are more than `limit`."""
    keys: list[Key] = []
    async for page in _pages(backend, _selection(selection)):
        keys.extend(page)
        if len(keys) > limit:
            return None
    return tuple(keys)


async def _pages(backend: Backend, scan: Scan) -> AsyncIterator[tuple[Key, ...]]:
    while True:
        page = await backend.scan(scan)
        yield tuple(point.key for point in page.points)
        if page.end:
            return
        scan = replace(scan, after=page.points[-1].key)


async def in_pages(backend: Backend, write: Selection) -> Done:
    """Of a selection that is too large to be listed at once."""
    if isinstance(write, RemoveWhere):
        return await _remove_in_pages(backend, write)
    count = 0
    async for keys in _pages(backend, _selection(write)):
        count += await _edit(backend, Edit(write.collection, keys, write.change), absent_is_error=False)
    return Done(count=count)


async def _remove_in_pages(backend: Backend, write: RemoveWhere) -> Done:
    removed = 0
    while (page := await backend.scan(_selection(write))).points:
        await backend.remove(tuple(point.key for point in page.points))
        removed += len(page.points)
    return Done(count=removed)


def _selection(write: Selection) -> Scan:
    return Scan(write.collection, LISTING_PAGE, filter=write.filter, partitions=write.partitions, fields=(), vector_names=())


async def write(backend: Backend, operation: DataWrite, listed: Collection[Key]) -> Done:
    """`listed`: the keys that a write by filter selects. Not atomic over points, as in all four products.

    What reads before it writes must be alone in its collection.
    """
    match operation:
        case Put(complete=False):
            raise Refused("only a server of the client's own product can make what this request leaves out", Reason.UNSUPPORTED)
        case Put(points=points):
            return await _put(backend, points)
        case Remove(keys=keys):
            return await _remove(backend, keys)
        case RemoveWhere():
            return await _remove(backend, listed)
        case EditWhere(collection, _, change):
            return Done(count=await _edit(backend, Edit(collection, tuple(listed), change), absent_is_error=False))
        case Batch(writes=writes):
            return await _each(backend, writes)
        case Opaque(why=why):
            raise Refused(f"only a server of the client's own product can carry this out: {why}", Reason.UNSUPPORTED)
        case _:
            return await _after_reading(backend, operation)


async def _after_reading(backend: Backend, operation: Patch | PutIf | Edit) -> Done:
    match operation:
        case Patch():
            return await _patch(backend, operation)
        case PutIf():
            return await _put_if(backend, operation)
        case Edit():
            return Done(count=await _edit(backend, operation, absent_is_error=True))


async def _each(backend: Backend, writes: Sequence[SingleWrite]) -> Done:
    """Each selects its points after the one before it."""
    count = 0
    for each in writes:
        match each:
            case RemoveWhere() | EditWhere():
                done = await in_pages(backend, each)
            case _:
                done = await write(backend, each, ())
        count += done.count
    return Done(count=count)


async def _remove(backend: Backend, keys: Collection[Key]) -> Done:
    if keys:
        await backend.remove(tuple(keys))
    return Done(count=len(keys))


async def _put(backend: Backend, points: Sequence[Point]) -> Done:
    if points:
        await backend.put(last_wins(points))
    return Done(tuple(point.key.id for point in points), len(points))


# ---- what reads before it writes ----


async def _states(backend: Backend, collection: str, keys: Sequence[Key]) -> dict[Key, Point]:
    return await backend.fetch(Fetch(collection, tuple(dict.fromkeys(keys)))) if keys else {}


async def _patch(backend: Backend, patch: Patch) -> Done:
    keys = [point.key for point in patch.points]
    before = await _states(backend, patch.collection, keys)
    merged: dict[Key, Point] = {}
    for change in patch.points:
        state = merged.get(change.key) or before.get(change.key)
        if state is None and patch.must_exist:
            continue
        if state is None or matches(patch.only, before.get(change.key, state)):
            merged[change.key] = _with_parts(state, change)
    await _put(backend, tuple(merged.values()))
    if patch.must_exist:
        _check_there(keys, before)
    return Done(tuple(key.id for key in keys), len(keys))


def _with_parts(state: Point | None, change: Point) -> Point:
    if state is None:
        return change
    return Point(change.key, {**state.vectors, **change.vectors}, {**state.payload, **change.payload})


async def _put_if(backend: Backend, write: PutIf) -> Done:
    before = await _states(backend, write.collection, [point.key for point in write.points])
    chosen = [point for point in write.points if _is_put(write, before.get(point.key))]
    return await _put(backend, chosen)


def _is_put(write: PutIf, state: Point | None) -> bool:
    return write.absent if state is None else matches(write.present, state)


async def _edit(backend: Backend, edit: Edit, *, absent_is_error: bool) -> int:
    count = 0
    for start in range(0, len(edit.keys), LISTING_PAGE):
        keys = edit.keys[start : start + LISTING_PAGE]
        before = await _states(backend, edit.collection, keys)
        if before:
            await backend.put([edited(state, edit.change) for state in before.values()])
        if absent_is_error:
            _check_there(keys, before)
        count += len(before)
    return count


def _check_there(keys: Sequence[Key], states: Mapping[Key, Point]) -> None:
    absent = next((key for key in keys if key not in states), None)
    if absent is not None:
        raise NotFound(f"No point with id {absent.id} found")
