"""Grouped searches: by looking at ever more hits of the plain one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from proxy.model.evaluate import value_at
from proxy.model.operation import Fetch, Group, Grouped, Groups, Hit, Like, Lookup, Search
from proxy.model.point import Key, Point
from proxy.model.schema import Schema
from proxy.ports import Backend
from proxy.reads.contents import with_contents
from proxy.reads.examples import searched

MAX_HITS: Final = 16_384
"""Looked at; Milvus gives no more."""
_FIRST: Final = 4
_MORE: Final = 4
"""Hits for each place at first, and how many times more each time."""


async def grouped(backend: Backend, read: Grouped, schema: Schema) -> Groups:
    asked = await searched(backend, read.search, schema) if isinstance(read.search, Like) else read.search
    found = await _found(backend, asked, read)
    lookups = await _lookups(backend, read.lookup, found)
    shown = await with_contents(backend, [hit for hits in found.values() for hit in hits], asked.fields, asked.vector_names)
    return Groups(
        tuple(
            Group(value, tuple(shown[hit.key] for hit in hits if hit.key in shown), lookups.get(value))
            for value, hits in found.items()
        )
    )


async def _found(backend: Backend, asked: Search, read: Grouped) -> dict[str | int, list[Hit]]:
    k = min(read.groups * read.size * _FIRST, MAX_HITS)
    while True:
        bare = replace(asked, k=k, offset=0, fields=(str(read.by[0]),), vector_names=())
        (hits,) = await backend.search(bare)
        found = _members(hits, read)
        full = len(found) == read.groups and all(len(members) == read.size for members in found.values())
        if full or len(hits) < k or k == MAX_HITS:
            return found
        k = min(k * _MORE, MAX_HITS)


def _members(hits: tuple[Hit, ...], read: Grouped) -> dict[str | int, list[Hit]]:
    found: dict[str | int, list[Hit]] = {}
    for hit in hits:
        for value in _values(value_at(hit.point.payload, read.by)):
            if value not in found and len(found) == read.groups:
                continue
            if len(members := found.setdefault(value, [])) < read.size:
                members.append(hit)
    return found


def _values(found: Any) -> dict[str | int, None]:
    several = found if isinstance(found, list) else [found]
    return dict.fromkeys(one for one in several if isinstance(one, str | int) and not isinstance(one, bool))


async def _lookups(backend: Backend, lookup: Lookup | None, values: Mapping[str | int, Any]) -> dict[str | int, Point]:
    """A value that can be no id there has no point."""
    if lookup is None:
        return {}
    keys = {value: Key(lookup.collection, None, each) for value in values if (each := lookup.id_of(value)) is not None}
    fetch = Fetch(lookup.collection, tuple(dict.fromkeys(keys.values())), lookup.fields, lookup.vector_names)
    points = await backend.fetch(fetch)
    return {value: points[key] for value, key in keys.items() if key in points}
