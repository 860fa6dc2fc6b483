"""What hits show of their points, read once it is known which hits there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from proxy.model.operation import Fetch, Hit
from proxy.model.point import Key, Point
from proxy.ports import Backend


async def with_contents(
    backend: Backend, hits: Sequence[Hit], fields: tuple[str, ...] | None, vector_names: tuple[str, ...]
) -> dict[Key, Hit]:
    """Points that are gone by now are left out."""
    if fields == () and not vector_names:
        return {hit.key: replace(hit, point=Point(hit.key, {})) for hit in hits}
    keys = tuple(dict.fromkeys(hit.key for hit in hits))
    if not keys:
        return {}
    points = await backend.fetch(Fetch(keys[0].collection, keys, fields, vector_names))
    return {hit.key: replace(hit, point=points[hit.key]) for hit in hits if hit.key in points}
