"""gRPC requests -> the REST models, so that both protocols are one from here on. Pure.

Owns: every request message of Qdrant's public services that has a meaning here. Not: the conversions inside (the SDK's own).
Everything raises ValueError, TypeError or pydantic's ValidationError (a ValueError) for a message that says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from qdrant_client import models as m
from qdrant_client.conversions.conversion import GrpcToRest, grpc_field_type_to_payload_schema

from proxy.qdrant.sdk import grpc as pb
from proxy.qdrant.settings import create_request, datatype, optional

_Op = pb.PointsUpdateOperation
_OF_SHARDS: Final = "shard keys cannot be followed: a point's key would depend on them"


def refuse_shards(message: Any) -> None:
    if message.HasField("shard_key_selector"):
        raise NotImplementedError(_OF_SHARDS)


# ---- writes ----


class Whole(NamedTuple):
    """A `PointStruct` unchecked: the message has the types already, and a check would look at every number."""

    id: Any
    vector: Any
    payload: Mapping[str, Any]


def _point(message: Any) -> Whole:
    return Whole(
        GrpcToRest.convert_point_id(message.id),
        _vectors(message.vectors) if message.HasField("vectors") else {},
        _payload(message.payload),
    )


def _vectors(message: Any) -> Any:
    if message.WhichOneof("vectors_options") == "vector":
        return _vector(message.vector)
    return {name: _vector(vector) for name, vector in message.vectors.vectors.items()}


def _vector(message: Any) -> Any:
    """A dense one as an array: by far the quickest way out of the message."""
    if message.WhichOneof("vector") == "dense":
        raw = message.dense.SerializeToString()
        return np.frombuffer(raw, "<f4", offset=len(raw) - 4 * len(message.dense.data))
    return GrpcToRest.convert_vector(message)


def _payload(message: Any) -> dict[str, Any]:
    return {name: _json(value) for name, value in message.items()}


def _json(message: Any) -> Any:
    match kind := message.WhichOneof("kind"):
        case "struct_value":
            return _payload(message.struct_value.fields)
        case "list_value":
            return [_json(each) for each in message.list_value.values]
        case "null_value" | None:
            return None
        case "double_value" if not math.isfinite(message.double_value):
            raise ValueError("cannot convert to json number")
        case _:
            return getattr(message, kind)


def _upsert(message: Any) -> m.PointsList:
    """Of the request itself, or of the batch's form of it."""
    refuse_shards(message)
    only = optional(message, "update_filter", GrpcToRest.convert_filter)
    mode = optional(message, "update_mode", GrpcToRest.convert_update_mode)
    points = list(map(_point, message.points))
    return m.PointsList.model_construct(points=points, update_filter=only, update_mode=mode, shard_key=None)


def _operation(message: Any) -> m.UpdateOperation:
    name = message.WhichOneof("operation")
    if name is None:
        raise ValueError("an update operation that says nothing")
    match name:
        case "delete_deprecated":
            return _operation(_Op(delete_points=_Op.DeletePoints(points=message.delete_deprecated)))
        case "clear_payload_deprecated":
            return _operation(_Op(clear_payload=_Op.ClearPayload(points=message.clear_payload_deprecated)))
        case _:
            refuse_shards(getattr(message, name))
            return _converted(message, name, getattr(message, name))


def _converted(message: Any, name: str, inner: Any) -> m.UpdateOperation:
    match name:
        case "upsert":
            return m.UpsertOperation.model_construct(upsert=_upsert(inner))
        case "set_payload" | "overwrite_payload":
            _payload(inner.payload)  # the SDK makes a text of what is no number
            return GrpcToRest.convert_points_update_operation(message)
        case _:
            return GrpcToRest.convert_points_update_operation(message)


def _payload_change(message: Any) -> dict[str, Any]:
    key = message.key if message.HasField("key") else None
    return {"payload": message.payload, "points_selector": message.points_selector, "key": key}


def _update_vectors(message: Any) -> Any:
    only = message.update_filter if message.HasField("update_filter") else None
    return _Op(update_vectors=_Op.UpdateVectors(points=message.points, update_filter=only))


def _batch(message: Any) -> m.UpdateOperations:
    return m.UpdateOperations(operations=[_operation(operation) for operation in message.operations])


# ---- schema ----


def _index(message: Any) -> m.CreateFieldIndex:
    if message.HasField("field_index_params"):
        schema: Any = GrpcToRest.convert_payload_schema_params(message.field_index_params)
    elif message.HasField("field_type"):
        schema = GrpcToRest.convert_payload_schema_type(grpc_field_type_to_payload_schema(message.field_type))
    else:
        schema = None
    return m.CreateFieldIndex(field_name=message.field_name, field_schema=schema)


def _vector_name(message: Any) -> m.DenseVectorNameConfig | m.SparseVectorNameConfig:
    match message.WhichOneof("vector_config"):
        case "dense_config":
            dense = message.dense_config
            return m.DenseVectorNameConfig(
                dense=m.DenseVectorConfig(
                    size=dense.size,
                    distance=GrpcToRest.convert_distance(dense.distance),
                    multivector_config=optional(dense, "multivector_config", GrpcToRest.convert_multivector_config),
                    datatype=optional(dense, "datatype", datatype),
                )
            )
        case "sparse_config":
            sparse = message.sparse_config
            return m.SparseVectorNameConfig(
                sparse=m.SparseVectorConfig(
                    modifier=optional(sparse, "modifier", GrpcToRest.convert_modifier),
                    datatype=optional(sparse, "datatype", datatype),
                )
            )
        case _:
            raise ValueError("dense_config or sparse_config is required")


def _aliases(message: Any) -> m.ChangeAliasesOperation:
    return m.ChangeAliasesOperation(actions=[GrpcToRest.convert_alias_operations(action) for action in message.actions])


# ---- reads ----


def _selectors(message: Any) -> dict[str, Any]:
    return {
        "with_payload": optional(message, "with_payload", GrpcToRest.convert_with_payload_selector),
        "with_vector": optional(message, "with_vectors", GrpcToRest.convert_with_vectors_selector),
        "shard_key": optional(message, "shard_key_selector", GrpcToRest.convert_shard_key_selector),
    }


def _retrieve(message: Any) -> m.PointRequest:
    return m.PointRequest(ids=[GrpcToRest.convert_point_id(each) for each in message.ids], **_selectors(message))


def _scroll(message: Any) -> m.ScrollRequest:
    return m.ScrollRequest(
        offset=optional(message, "offset", GrpcToRest.convert_point_id),
        limit=optional(message, "limit"),
        filter=_filter(message),
        order_by=optional(message, "order_by", GrpcToRest.convert_order_by),
        **_selectors(message),
    )


def _filter(message: Any) -> m.Filter | None:
    return optional(message, "filter", GrpcToRest.convert_filter)  # type: ignore[no-any-return]


def _shard(message: Any) -> Any:
    return optional(message, "shard_key_selector", GrpcToRest.convert_shard_key_selector)


def _count(message: Any) -> m.CountRequest:
    return m.CountRequest(filter=_filter(message), exact=optional(message, "exact"), shard_key=_shard(message))


def _facet(message: Any) -> m.FacetRequest:
    return m.FacetRequest(
        key=message.key,
        limit=optional(message, "limit"),
        filter=_filter(message),
        exact=optional(message, "exact"),
        shard_key=_shard(message),
    )


def _query_batch(message: Any) -> m.QueryRequestBatch:
    return m.QueryRequestBatch(searches=[GrpcToRest.convert_query_points(each) for each in message.query_points])


def _grouping(message: Any) -> dict[str, Any]:
    return {
        "group_by": message.group_by,
        "limit": optional(message, "limit") if message.DESCRIPTOR.name == "QueryPointGroups" else message.limit,
        "group_size": optional(message, "group_size")
        if message.DESCRIPTOR.name == "QueryPointGroups"
        else message.group_size or None,
        "with_lookup": optional(message, "with_lookup", GrpcToRest.convert_with_lookup),
    }


def _query_groups(message: Any) -> m.QueryGroupsRequest:
    return m.QueryGroupsRequest(
        prefetch=[GrpcToRest.convert_prefetch_query(each) for each in message.prefetch] or None,
        query=optional(message, "query", GrpcToRest.convert_query),
        using=optional(message, "using"),
        filter=_filter(message),
        params=optional(message, "params", GrpcToRest.convert_search_params),
        score_threshold=optional(message, "score_threshold"),
        lookup_from=optional(message, "lookup_from", GrpcToRest.convert_lookup_location),
        **_grouping(message),
        **_selectors(message),
    )


def _matrix(message: Any) -> m.SearchMatrixRequest:
    return m.SearchMatrixRequest(
        filter=_filter(message),
        sample=optional(message, "sample"),
        limit=optional(message, "limit"),
        using=optional(message, "using"),
        shard_key=_shard(message),
    )


# ---- reads of clients before 1.10 ----


def _searched(message: Any) -> dict[str, Any]:
    vector: Any = list(message.vector)
    if message.HasField("sparse_indices"):
        vector = m.SparseVector(indices=list(message.sparse_indices.data), values=vector)
    return {"query": m.NearestQuery(nearest=vector), "using": optional(message, "vector_name")}


def _recommended(message: Any) -> dict[str, Any]:
    examples = m.RecommendInput(
        positive=_examples(message.positive, message.positive_vectors),
        negative=_examples(message.negative, message.negative_vectors),
        strategy=optional(message, "strategy", GrpcToRest.convert_recommend_strategy),
    )
    lookup = optional(message, "lookup_from", GrpcToRest.convert_lookup_location)
    return {"query": m.RecommendQuery(recommend=examples), "using": optional(message, "using"), "lookup_from": lookup}


def _examples(ids: Any, vectors: Any) -> list[Any]:
    return [*map(GrpcToRest.convert_point_id, ids), *map(GrpcToRest.convert_vector, vectors)]


def _discovered(message: Any) -> dict[str, Any]:
    context = [m.ContextPair(positive=_example(pair.positive), negative=_example(pair.negative)) for pair in message.context]
    query: Any = m.ContextQuery(context=context)
    if message.HasField("target"):
        query = m.DiscoverQuery(discover=m.DiscoverInput(target=_example(message.target.single), context=context))
    lookup = optional(message, "lookup_from", GrpcToRest.convert_lookup_location)
    return {"query": query, "using": optional(message, "using"), "lookup_from": lookup}


def _example(message: Any) -> Any:
    if message.WhichOneof("example") == "id":
        return GrpcToRest.convert_point_id(message.id)
    return GrpcToRest.convert_vector(message.vector)


def _old(query: Callable[[Any], dict[str, Any]]) -> Callable[[Any], m.QueryRequest]:
    return lambda message: m.QueryRequest(**query(message), **_common(message), offset=optional(message, "offset"))


def _old_groups(query: Callable[[Any], dict[str, Any]]) -> Callable[[Any], m.QueryGroupsRequest]:
    return lambda message: m.QueryGroupsRequest(**query(message), **{**_common(message), **_grouping(message)})


def _old_batch(query: Callable[[Any], dict[str, Any]], field: str) -> Callable[[Any], m.QueryRequestBatch]:
    one = _old(query)
    return lambda message: m.QueryRequestBatch(searches=[one(each) for each in getattr(message, field)])


def _common(message: Any) -> dict[str, Any]:
    threshold = optional(message, "score_threshold") if "score_threshold" in message.DESCRIPTOR.fields_by_name else None
    return {
        "filter": _filter(message),
        "limit": message.limit,
        "params": optional(message, "params", GrpcToRest.convert_search_params),
        "score_threshold": threshold,
        **_selectors(message),
    }


def _write(variant: str, operation: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A single write is the batch's form of it, with one operation."""

    def convert(message: Any) -> Any:
        refuse_shards(message)
        return getattr(_operation(operation(message)), variant)

    return convert


BODIES: Final[Mapping[str, Callable[[Any], Any]]] = {
    "/qdrant.Points/Upsert": _upsert,
    "/qdrant.Points/Delete": _write("delete", lambda r: _Op(delete_points=_Op.DeletePoints(points=r.points))),
    "/qdrant.Points/UpdateVectors": _write("update_vectors", _update_vectors),
    "/qdrant.Points/DeleteVectors": _write(
        "delete_vectors",
        lambda r: _Op(delete_vectors=_Op.DeleteVectors(points_selector=r.points_selector, vectors=r.vectors)),
    ),
    "/qdrant.Points/SetPayload": _write("set_payload", lambda r: _Op(set_payload=_Op.SetPayload(**_payload_change(r)))),
    "/qdrant.Points/OverwritePayload": _write(
        "overwrite_payload", lambda r: _Op(overwrite_payload=_Op.OverwritePayload(**_payload_change(r)))
    ),
    "/qdrant.Points/DeletePayload": _write(
        "delete_payload",
        lambda r: _Op(delete_payload=_Op.DeletePayload(keys=r.keys, points_selector=r.points_selector)),
    ),
    "/qdrant.Points/ClearPayload": _write("clear_payload", lambda r: _Op(clear_payload=_Op.ClearPayload(points=r.points))),
    "/qdrant.Points/UpdateBatch": _batch,
    "/qdrant.Collections/Create": create_request,
    "/qdrant.Collections/Update": GrpcToRest.convert_update_collection,
    "/qdrant.Collections/UpdateAliases": _aliases,
    "/qdrant.Points/CreateFieldIndex": _index,
    "/qdrant.Points/CreateVectorName": _vector_name,
    "/qdrant.Points/Get": _retrieve,
    "/qdrant.Points/Scroll": _scroll,
    "/qdrant.Points/Count": _count,
    "/qdrant.Points/Facet": _facet,
    "/qdrant.Points/Query": GrpcToRest.convert_query_points,
    "/qdrant.Points/QueryBatch": _query_batch,
    "/qdrant.Points/QueryGroups": _query_groups,
    "/qdrant.Points/SearchMatrixPairs": _matrix,
    "/qdrant.Points/SearchMatrixOffsets": _matrix,
    "/qdrant.Points/Search": _old(_searched),
    "/qdrant.Points/SearchBatch": _old_batch(_searched, "search_points"),
    "/qdrant.Points/SearchGroups": _old_groups(_searched),
    "/qdrant.Points/Recommend": _old(_recommended),
    "/qdrant.Points/RecommendBatch": _old_batch(_recommended, "recommend_points"),
    "/qdrant.Points/RecommendGroups": _old_groups(_recommended),
    "/qdrant.Points/Discover": _old(_discovered),
    "/qdrant.Points/DiscoverBatch": _old_batch(_discovered, "discover_points"),
}
"""By the path of the method. Those whose message holds nothing but names are not listed."""
