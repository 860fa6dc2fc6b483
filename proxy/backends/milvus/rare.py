"""Rows of a foreign collection that are not as nearly all: without a vector, or with more payload than the dynamic field has.

Reads that mind such rows are dearer, so they do only where there are any. Nobody but us writes there: Milvus is asked once,
and then our own writes tell. It may be said too often, never too seldom.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from proxy.backends.milvus.landing import Landing
from proxy.backends.milvus.rows import View
from proxy.model.point import Point

T = TypeVar("T")


class Rare:
    """What is kept is bounded by the collections' columns."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], bool] = {}

    def writes(self, landing: Landing, rows: Sequence[Point]) -> None:
        """To be called before they are written."""
        for column, usual in landing.usual.items():
            if any(row.payload[column] != usual for row in rows):
                self._known[landing.schema.collection, column] = True

    def unknown(self, collection: str, columns: Iterable[str]) -> list[str]:
        return [column for column in columns if (collection, column) not in self._known]

    async def ask(self, view: View, columns: Iterable[str]) -> None:
        """`view`: of all that was written until now."""
        for column in columns:
            found = await view.count_unusual(column)
            self._known.setdefault((view.schema.collection, column), found > 0)

    async def read(self, view: View, columns: Iterable[str], read: Callable[[View], Awaitable[T]]) -> T:
        """Reads again where a write of ours has meanwhile put something unusual into `columns`."""
        while True:
            unusual = self._among(view.schema.collection, columns)
            found = await read(replace(view, unusual=unusual))
            if self._among(view.schema.collection, columns) <= unusual:
                return found

    def forget(self, collection: str) -> None:
        self._known = {key: found for key, found in self._known.items() if key[0] != collection}

    def _among(self, collection: str, columns: Iterable[str]) -> frozenset[str]:
        return frozenset(column for column in columns if self._known.get((collection, column)))
