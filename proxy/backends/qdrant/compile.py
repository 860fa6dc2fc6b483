"""Operations -> Qdrant's requests, but for upserts (upsert.py). Pure; no request here is sent here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from proxy.backends.qdrant.filter import compile_filter
from proxy.backends.qdrant.ids import is_own_kind, mapped_id, point_id
from proxy.backends.qdrant.names import EXACT, ID, PARTITION, addressable, collection_name, field_name, json_path
from proxy.backends.qdrant.vectors import compile_query, declared
from proxy.errors import Refused
from proxy.model.operation import Consistency, Count, Fetch, Scan, Search
from proxy.model.point import Key, Vector
from proxy.model.schema import Schema, VectorKind
from proxy.qdrant.sdk import grpc

# With replicas, the order of two writes to one point is only certain through its leader.
ORDERING: Final = grpc.WriteOrdering(type=grpc.WriteOrderingType.Strong)
_READS: Final[Mapping[Consistency, grpc.ReadConsistency | None]] = {
    Consistency.LATEST: grpc.ReadConsistency(type=grpc.ReadConsistencyType.Majority),
    Consistency.CLIENT: None,
}


def delete(keys: Sequence[Key], schema: Schema) -> grpc.DeletePoints:
    ids = grpc.PointsIdsList(ids=[point_id(mapped_id(key, schema)) for key in keys])
    return _deletion(schema.collection, grpc.PointsSelector(points=ids))


def delete_partition(collection: str, partition: str) -> grpc.DeletePoints:
    test = grpc.FieldCondition(key=PARTITION, match=grpc.Match(keyword=partition))
    inside = grpc.Filter(must=[grpc.Condition(field=test)])
    return _deletion(collection, grpc.PointsSelector(filter=inside))


def get(fetch: Fetch, schema: Schema, consistency: Consistency) -> grpc.GetPoints:
    return grpc.GetPoints(
        collection_name=collection_name(schema.collection),
        ids=[point_id(mapped_id(key, schema)) for key in fetch.keys],
        with_payload=payload_selector(fetch.fields, fetch.vector_names, schema),
        with_vectors=_vectors_selector(fetch.vector_names, schema),
        read_consistency=_READS[consistency],
    )


def scroll(scan: Scan, schema: Schema, consistency: Consistency, start: grpc.PointId) -> grpc.ScrollPoints:
    """From `start` on, in the order of Qdrant's ids; `scan.after` and `scan.offset` are the caller's."""
    return grpc.ScrollPoints(
        collection_name=collection_name(schema.collection),
        filter=compile_filter(scan.filter, schema, scan.partitions),
        offset=start,
        limit=scan.limit,
        with_payload=payload_selector(scan.fields, scan.vector_names, schema),
        with_vectors=_vectors_selector(scan.vector_names, schema),
        read_consistency=_READS[consistency],
    )


def count(wanted: Count, schema: Schema, consistency: Consistency) -> grpc.CountPoints:
    return grpc.CountPoints(
        collection_name=collection_name(schema.collection),
        filter=compile_filter(wanted.filter, schema, wanted.partitions),
        exact=True,
        read_consistency=_READS[consistency],
    )


def query_batch(search: Search, schema: Schema, consistency: Consistency) -> grpc.QueryBatchPoints:
    """Without `search.far`, which Qdrant does not have. It compares at float32. Raises Refused where no metric is known."""
    field = declared(schema, search.using)
    if field.metric is None and field.kind is not VectorKind.SPARSE:
        raise Refused(f"vector {search.using!r} of collection {schema.collection} has no metric: create an index first")
    return grpc.QueryBatchPoints(
        collection_name=collection_name(schema.collection),
        query_points=[_query(search, vector, schema) for vector in search.vectors],
        read_consistency=_READS[consistency],
    )


def payload_selector(
    fields: tuple[str, ...] | None, vector_names: tuple[str, ...] | None, schema: Schema
) -> grpc.WithPayloadSelector:
    """Our own fields come along where they are needed to tell the key, the exact values and the vectors' lengths."""
    if fields is None or not all(map(addressable, fields)):
        return grpc.WithPayloadSelector(enable=True)
    if is_own_kind(schema):
        return _included([json_path((name,)) for name in fields])
    exact = (EXACT,) if fields or vector_names != () else ()
    return _included([*(json_path((field_name(name),)) for name in fields), ID, PARTITION, *exact])


def _included(paths: Iterable[str]) -> grpc.WithPayloadSelector:
    names = list(paths)
    if not names:
        return grpc.WithPayloadSelector(enable=False)
    return grpc.WithPayloadSelector(include=grpc.PayloadIncludeSelector(fields=names))


def _vectors_selector(names: tuple[str, ...] | None, schema: Schema) -> grpc.WithVectorsSelector:
    known = schema.vectors.keys() if names is None else schema.vectors.keys() & set(names)
    if names is None or (known and known == schema.vectors.keys()):
        return grpc.WithVectorsSelector(enable=True)
    if not known:
        return grpc.WithVectorsSelector(enable=False)
    return grpc.WithVectorsSelector(include=grpc.VectorsSelector(names=sorted(known)))


def _deletion(collection: str, points: grpc.PointsSelector) -> grpc.DeletePoints:
    return grpc.DeletePoints(collection_name=collection_name(collection), wait=True, points=points, ordering=ORDERING)


def _query(search: Search, vector: Vector, schema: Schema) -> grpc.QueryPoints:
    return grpc.QueryPoints(
        collection_name=collection_name(schema.collection),
        query=grpc.Query(nearest=compile_query(vector, schema, search.using)),
        using=search.using or None,
        filter=compile_filter(search.filter, schema, search.partitions),
        params=_params(search),
        score_threshold=search.threshold,
        limit=search.k,
        offset=search.offset,
        with_payload=payload_selector(search.fields, search.vector_names, schema),
        with_vectors=_vectors_selector(search.vector_names, schema),
    )


def _params(search: Search) -> grpc.SearchParams:
    """Of the hints only HNSW's `ef` has a meaning here; the others tune index types that Qdrant does not have."""
    ef = search.hints.get("ef") or search.hints.get("hnsw_ef")
    return grpc.SearchParams(exact=search.exact, hnsw_ef=int(ef) if ef else None)
