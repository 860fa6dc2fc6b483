"""Compares both databases with their own SDKs. Uses nothing of what it judges (proxy.torture uses none of it)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from pymilvus import MilvusClient
from qdrant_client import QdrantClient

from proxy.torture import milvus, qdrant
from tests.migration.shelf import Id

Name: TypeAlias = tuple[str, Id]
"""(partition, id)"""
Rows: TypeAlias = dict[Name, dict[str, Any]]
SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Sides:
    source: Rows
    target: Rows
    by_direction: bool
    """Cosine: Qdrant keeps vectors at length one."""

    @property
    def missing(self) -> list[Name]:
        return sorted(self.source.keys() - self.target.keys(), key=str)

    @property
    def extra(self) -> list[Name]:
        return sorted(self.target.keys() - self.source.keys(), key=str)

    @property
    def unequal(self) -> dict[Name, list[str]]:
        both = self.source.keys() & self.target.keys()
        found = ((name, self._differ(self.source[name], self.target[name])) for name in both)
        return {name: fields for name, fields in found if fields}

    def check(self) -> None:
        """Raises AssertionError that shows some of what differs."""
        missing, extra, unequal = self.missing, self.extra, self.unequal
        shown = {name: (self.source[name], self.target[name]) for name in list(unequal)[:SHOWN]}
        assert not missing + extra + list(unequal), (
            f"source {len(self.source)}, target {len(self.target)}; missing {len(missing)} {missing[:SHOWN]}, "
            f"extra {len(extra)} {extra[:SHOWN]}, unequal {len(unequal)} {shown}"
        )
        assert self.source, "both sides are empty, so nothing was compared"

    def _differ(self, a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
        return [name for name in sorted(a.keys() | b.keys()) if not _same(a.get(name), b.get(name), self.by_direction)]


def sides(source: MilvusClient, target: QdrantClient, collection: str) -> Sides:
    """Both as they are now; the source at its strongest consistency."""
    metric = source.describe_index(collection, source.list_indexes(collection)[0])["metric_type"]
    return Sides(milvus_rows(source, collection), qdrant_rows(target, collection), metric == "COSINE")


def milvus_rows(client: MilvusClient, collection: str) -> Rows:
    """Raises AssertionError where a partition has one id twice."""
    rows: Rows = {}
    for partition, found in milvus.milvus_rows(client, collection):
        name = (partition, found["id"])
        assert name not in rows, f"{name} is twice in Milvus"
        rows[name] = found
    return rows


def qdrant_rows(client: QdrantClient, collection: str) -> Rows:
    return {(partition, row["id"]): row for partition, row in qdrant.qdrant_rows(client, collection)}


def _same(a: Any, b: Any, by_direction: bool) -> bool:
    if isinstance(a, list) and isinstance(b, list) and a and isinstance(a[0], float):
        x, y = np.array(a, dtype=np.float64), np.array(b, dtype=np.float64)
        if by_direction:
            x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
        return x.shape == y.shape and bool(np.allclose(x, y, rtol=1e-5, atol=1e-5))
    if isinstance(a, float) or isinstance(b, float):
        return a is not None and b is not None and bool(np.isclose(a, b, rtol=1e-6))
    return bool(a == b)
