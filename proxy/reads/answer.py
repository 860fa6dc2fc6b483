"""Answers a read on a backend: by its own call, or by several where the read is made of them."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from proxy.errors import Broken
from proxy.model.filter import AllOf, HasId
from proxy.model.operation import (
    Answers,
    Count,
    Fetch,
    Grouped,
    Hits,
    Hybrid,
    Like,
    Page,
    PageFrom,
    Read,
    Result,
    Scan,
    Search,
    Several,
)
from proxy.model.schema import Schema
from proxy.ports import Backend, Catalog
from proxy.reads.examples import searched
from proxy.reads.fusion import fused
from proxy.reads.groups import grouped


async def answer(backend: Backend, read: Read, catalog: Catalog) -> Result:
    match read:
        case Search():
            return await backend.search(read)
        case Fetch():
            return await backend.fetch(read)
        case Scan():
            return await backend.scan(read)
        case Count():
            return await backend.count(read)
        case PageFrom():
            return await _page_from(backend, read)
        case _:
            return await _made_of_searches(backend, read, catalog.schema(read.collection), catalog)


async def _made_of_searches(
    backend: Backend, read: Like | Grouped | Hybrid | Several, schema: Schema, catalog: Catalog
) -> Result:
    match read:
        case Like():
            return await backend.search(await searched(backend, read, schema))
        case Grouped():
            return await grouped(backend, read, schema)
        case Hybrid():
            return await fused(backend, read, schema)
        case Several():
            return Answers(tuple([_one(await answer(backend, each, catalog)) for each in read.reads]))
        case _:
            assert_never(read)


def _one(result: Result) -> Hits | Page:
    if isinstance(result, tuple | Page):
        return result
    raise Broken(f"one of several searches was answered with {type(result).__name__}")


async def _page_from(backend: Backend, read: PageFrom) -> Page:
    """Backends page behind a key: what `start` itself names is asked for beforehand."""
    scan, first = replace(read.scan, limit=read.scan.limit + 1), Page((), end=True)
    if read.start is not None:
        there = AllOf((scan.filter, HasId(frozenset({read.start.id}))))
        first = await backend.scan(replace(scan, filter=there, limit=1))
        scan = replace(scan, after=read.start, limit=scan.limit - len(first.points))
    rest = await backend.scan(scan)
    points = (*first.points, *rest.points)
    following = points[read.scan.limit].key if len(points) > read.scan.limit else None
    return Page(points[: read.scan.limit], end=following is None, next=following)
