"""Milvus's own replies to reads, in model terms, for comparison with the other side."""

from __future__ import annotations

from itertools import islice
from math import copysign, sqrt

from proxy.errors import Broken, Reason, Refused
from proxy.frontends.milvus.decode_read import COUNT
from proxy.frontends.milvus.messages import Message
from proxy.milvus.columns import ids_of, points_of, values_of
from proxy.milvus.status import error_of
from proxy.model.operation import Count, Hit, Hits, Page, Read, Result, Scan, Search
from proxy.model.schema import Metric, Schema


def parse_read(message: Message, operation: Read, schema: Schema) -> Result:
    """Raises the error that the reply tells, and Refused for statistics, which Milvus only estimates.

    Milvus does not say a hit's partition: where neither the request nor the collection leaves a single one, keys have None.
    """
    error = error_of(message.status)
    if error is not None:
        raise error
    match operation:
        case Search():
            return _hits(message.results, operation, schema)
        case Count():
            return _count(message)
        case Scan():
            return _page(message, operation, schema)
        case _:
            raise Broken(f"no request of Milvus's is read as a {type(operation).__name__}")


def _partition(operation: Search | Scan) -> str | None:
    named = operation.partitions
    return named[0] if named is not None and len(named) == 1 else None


def _hits(results: Message, search: Search, schema: Schema) -> Hits:
    ids = ids_of(results.ids)
    points = points_of(schema, results.fields_data, len(ids), _partition(search), ids)
    distance = schema.vectors[search.using].metric is Metric.EUCLIDEAN
    values = (copysign(sqrt(abs(score)), score) if distance else score for score in results.scores)
    hits = iter([Hit(point.key, value, point) for point, value in zip(points, values, strict=True)])
    return tuple(tuple(islice(hits, count)) for count in results.topks)


def _count(message: Message) -> int:
    for column in getattr(message, "fields_data", ()):
        if column.field_name == COUNT:
            return int(column.scalars.long_data.data[0])
    raise Refused("row_count of statistics leaves out what is not flushed: there is nothing to compare", Reason.UNSUPPORTED)


def _page(message: Message, scan: Scan, schema: Schema) -> Page:
    keys = next((column for column in message.fields_data if column.field_name == schema.id_name), None)
    rows = 0 if keys is None else len(values_of(keys))
    points = points_of(schema, message.fields_data, rows, _partition(scan)) if rows else ()
    return Page(points, end=rows < scan.limit)
