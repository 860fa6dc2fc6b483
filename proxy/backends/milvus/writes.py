"""Points and keys -> Milvus's requests, each within the limits of one message. Pure. Not: reads (reads.py)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

from proxy.backends.milvus.expr import ids_in
from proxy.backends.milvus.literals import INT64_MAX, quoted
from proxy.backends.milvus.naming import by_partition, local_name, partition_name, slices
from proxy.errors import Refused, Unsupported
from proxy.milvus.columns import fields_data
from proxy.milvus.schema import META, server_made
from proxy.milvus.sdk.grpc_gen import milvus_pb2
from proxy.model.feature import Feature
from proxy.model.point import Key, Point
from proxy.model.schema import Product, Schema

MESSAGE_BYTES: Final = 48 * 2**20
"""Of one request; Milvus takes 64 MiB."""
IDS_AT_ONCE: Final = 4_096
"""Keys in one expression."""
_PLAIN: Final = frozenset({type(None), bool, int, str})
"""What Milvus holds whatever it is: nearly all values."""


def upserts(schema: Schema, points: Sequence[Point]) -> Iterator[Any]:
    """UpsertRequests. Raises Refused where a point cannot be stored as it is."""
    for point in points:
        _check_id(point)
        _check_payload(schema, point)
    for partition, rows in by_partition(points):
        yield from _fitting(schema, partition, rows)


def deletes(schema: Schema, keys: Sequence[Key]) -> Iterator[tuple[str | None, Any]]:
    """(partition, DeleteRequest)"""
    for partition, group in by_partition(keys):
        for ids in slices([key.id for key in group], IDS_AT_ONCE):
            yield (
                partition,
                milvus_pb2.DeleteRequest(
                    collection_name=local_name(schema),
                    partition_name=partition_name(schema, partition),
                    expr=ids_in(ids, schema),
                ),
            )


def _fitting(schema: Schema, partition: str | None, points: Sequence[Point]) -> Iterator[Any]:
    names = (schema.id_name, *schema.vectors, *schema.fields, META)
    made = server_made(schema)
    request = milvus_pb2.UpsertRequest(
        collection_name=local_name(schema),
        partition_name=partition_name(schema, partition),
        fields_data=fields_data(schema, points, [name for name in names if name not in made]),
        num_rows=len(points),
    )
    if len(points) == 1 or request.ByteSize() <= MESSAGE_BYTES:
        yield request
        return
    del request
    middle = len(points) // 2
    yield from _fitting(schema, partition, points[:middle])
    yield from _fitting(schema, partition, points[middle:])


def _check_id(point: Point) -> None:
    if point.key.id == INT64_MAX:
        raise Refused(f"Milvus takes a point with the id {INT64_MAX}, but shows it in no read")


def _check_payload(schema: Schema, point: Point) -> None:
    fields, dynamic, taken = schema.fields, schema.dynamic, (META, schema.id_name)
    for name, value in point.payload.items():
        if name not in fields and (not dynamic or name in taken or name in schema.vectors):
            raise Refused(f"collection {schema.collection} cannot hold a payload field {quoted(name)}")
        if type(value) not in _PLAIN:
            _check_value(name, value)


def _check_value(name: str, value: Any) -> None:
    match value:
        case None | bool() | int() | str():
            return
        case float():
            if not math.isfinite(value):
                raise Unsupported(Feature.NON_FINITE_VALUES, Product.MILVUS, f"field {quoted(name)}")
        case list():
            for element in value:
                _check_value(name, element)
        case dict():
            for element in value.values():
                _check_value(name, element)
        case _:
            raise Refused(f"Milvus cannot hold a {type(value).__name__} in the payload (field {quoted(name)})")
