"""The reading methods of qdrant.Points, but the legacy searches (refused by name: every client since 1.10 has Query)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from qdrant_client import grpc as pb
from qdrant_client.conversions.conversion import RestToGrpc

from proxy.local.qdrant import reads
from proxy.local.qdrant.groups import query_groups
from proxy.local.qdrant.grpc_wire import encode_group, encode_id, encode_record, encode_scored, refuse_shards
from proxy.local.qdrant.matrix import Matrix, distance_matrix
from proxy.local.qdrant.registry import Registry
from proxy.qdrant.messages import BODIES


def _body(method: str, request: Any) -> Any:
    """The REST model of the request."""
    return BODIES[f"/qdrant.Points/{method}"](request)


def _get(registry: Registry, request: Any) -> pb.GetResponse:
    refuse_shards(request)
    found = reads.retrieve(registry.get(request.collection_name), _body("Get", request))
    return pb.GetResponse(result=map(encode_record, found))


def _scroll(registry: Registry, request: Any) -> pb.ScrollResponse:
    refuse_shards(request)
    page, following = reads.scroll(registry.get(request.collection_name), _body("Scroll", request))
    return pb.ScrollResponse(
        result=map(encode_record, page), next_page_offset=encode_id(following) if following is not None else None
    )


def _count(registry: Registry, request: Any) -> pb.CountResponse:
    refuse_shards(request)
    count = reads.count(registry.get(request.collection_name), _body("Count", request))
    return pb.CountResponse(result=pb.CountResult(count=count))


def _facet(registry: Registry, request: Any) -> pb.FacetResponse:
    refuse_shards(request)
    hits = reads.facet(registry.get(request.collection_name), _body("Facet", request))
    return pb.FacetResponse(
        hits=[pb.FacetHit(value=RestToGrpc.convert_facet_value(hit.value), count=hit.count) for hit in hits]
    )


def _query(registry: Registry, request: Any) -> pb.QueryResponse:
    refuse_shards(request)
    found = reads.query(registry.get, request.collection_name, _body("Query", request))
    return pb.QueryResponse(result=map(encode_scored, found))


def _query_batch(registry: Registry, request: Any) -> pb.QueryBatchResponse:
    for one in request.query_points:
        refuse_shards(one)
    wanted = _body("QueryBatch", request).searches
    answers = [reads.query(registry.get, request.collection_name, one) for one in wanted]
    return pb.QueryBatchResponse(result=[pb.BatchResult(result=map(encode_scored, answer)) for answer in answers])


def _query_groups(registry: Registry, request: Any) -> pb.QueryGroupsResponse:
    refuse_shards(request)
    found = query_groups(registry.get, request.collection_name, _body("QueryGroups", request))
    return pb.QueryGroupsResponse(result=pb.GroupsResult(groups=map(encode_group, found)))


def _matrix(registry: Registry, request: Any) -> Matrix:
    refuse_shards(request)
    return distance_matrix(registry.get(request.collection_name), _body("SearchMatrixPairs", request))


def _matrix_pairs(registry: Registry, request: Any) -> pb.SearchMatrixPairsResponse:
    found = _matrix(registry, request)
    ids = [encode_id(point) for point in found.ids]
    pairs = [pb.SearchMatrixPair(a=ids[a], b=ids[b], score=score) for a, b, score in found.pairs]
    return pb.SearchMatrixPairsResponse(result=pb.SearchMatrixPairs(pairs=pairs))


def _matrix_offsets(registry: Registry, request: Any) -> pb.SearchMatrixOffsetsResponse:
    found = _matrix(registry, request)
    offsets = pb.SearchMatrixOffsets(
        offsets_row=[row for row, _, _ in found.pairs],
        offsets_col=[column for _, column, _ in found.pairs],
        scores=[score for _, _, score in found.pairs],
        ids=[encode_id(point) for point in found.ids],
    )
    return pb.SearchMatrixOffsetsResponse(result=offsets)


READS: Final[Mapping[str, Callable[[Registry, Any], Any]]] = {
    "Get": _get,
    "Scroll": _scroll,
    "Count": _count,
    "Facet": _facet,
    "Query": _query,
    "QueryBatch": _query_batch,
    "QueryGroups": _query_groups,
    "SearchMatrixPairs": _matrix_pairs,
    "SearchMatrixOffsets": _matrix_offsets,
}
