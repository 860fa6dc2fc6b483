"""What Milvus calls a collection, a partition; and cutting long lists to requests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TypeVar

from proxy.milvus.schema import DEFAULT_PARTITION, split_name
from proxy.model.point import Key, Point
from proxy.model.schema import Schema

T = TypeVar("T")
Keyed = TypeVar("Keyed", Key, Point)


def local_name(schema: Schema) -> str:
    """Within its database."""
    return split_name(schema.collection)[1]


def partition_name(schema: Schema, partition: str | None) -> str:
    """With a partition key Milvus chooses the partition, and refuses to be told one."""
    return "" if schema.partition_key else partition or DEFAULT_PARTITION


def by_partition(items: Sequence[Keyed]) -> Iterator[tuple[str | None, list[Keyed]]]:
    for partition, group in groupby(sorted(items, key=_partition), key=_partition):
        yield partition or None, list(group)


def slices(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _partition(item: Key | Point) -> str:
    key = item if isinstance(item, Key) else item.key
    return key.partition or ""
