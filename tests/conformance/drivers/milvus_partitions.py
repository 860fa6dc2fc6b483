"""Partitions as the client of Milvus names them. Rows do not tell theirs, so who must know asks one at a time. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from proxy.model.operation import Scan
from proxy.model.point import Key, Point
from proxy.model.schema import Schema

DEFAULT: Final = "_default"
T = TypeVar("T", Key, Point)


def by_partition(parts: Iterable[T], key: Callable[[T], Key]) -> dict[str | None, list[T]]:
    groups: dict[str | None, list[T]] = {}
    for part in parts:
        groups.setdefault(key(part).partition, []).append(part)
    return groups


def every_partition(schema: Schema) -> tuple[str | None, ...]:
    return (None, *schema.partitions)


def left_of(scan: Scan, schema: Schema) -> tuple[str | None, ...]:
    """The partitions that the scan has not come behind, in its order."""
    where = every_partition(schema) if scan.partitions is None else scan.partitions
    return where if scan.after is None else where[where.index(scan.after.partition) :]


def placed(schema: Schema, partitions: tuple[str | None, ...] | None) -> dict[str, list[str]]:
    if partitions is None or (partitions == (None,) and not schema.partitions):
        return {}
    return {"partition_names": [partition or DEFAULT for partition in partitions]}
