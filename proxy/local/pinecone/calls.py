"""Every call of the data plane, from message to message: REST and gRPC are two ways to the same table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

from proxy._pb.vecferry import pinecone_pb2 as pb
from proxy.local.pinecone.config import MAX_PAGE, MAX_TOP_K, MAX_UPSERT
from proxy.local.pinecone.errors import EXISTS, INVALID, NOT_FOUND, Fault
from proxy.local.pinecone.records import Record, Records, floats, selected, sparse_of


@dataclass(frozen=True, slots=True)
class Call:
    request: Any
    response: Any
    run: Callable[[Records, Any], Any]
    writes: bool = False


def _tree(struct: Struct) -> dict[str, Any]:
    return dict(MessageToDict(struct))


def _record(records: Records, vector: pb.Vector) -> Record:
    record = Record(floats(vector.values), sparse_of(vector.sparse_values), _tree(vector.metadata))
    if not vector.id:
        raise Fault(INVALID, "Vector ID must not be empty")
    records.check(record.values, record.sparse)
    return record


def _sparse(found: dict[int, float]) -> pb.SparseValues:
    return pb.SparseValues(indices=list(found), values=list(found.values()))


def _metadata(found: dict[str, Any]) -> Struct:
    struct = Struct()
    struct.update(found)
    return struct


def _vector(key: str, record: Record) -> pb.Vector:
    return pb.Vector(
        id=key,
        values=record.values.tolist(),
        sparse_values=_sparse(record.sparse) if record.sparse else None,
        metadata=_metadata(record.metadata) if record.metadata else None,
    )


def _upsert(records: Records, request: pb.UpsertRequest) -> pb.UpsertResponse:
    if not 0 < len(request.vectors) <= MAX_UPSERT:
        raise Fault(INVALID, f"A request must have 1 to {MAX_UPSERT} vectors")
    found = {vector.id: _record(records, vector) for vector in request.vectors}
    records.made(request.namespace).update(found)
    return pb.UpsertResponse(upserted_count=len(request.vectors))


def _query(records: Records, request: pb.QueryRequest) -> pb.QueryResponse:
    if not 0 < request.top_k <= MAX_TOP_K:
        raise Fault(INVALID, f"top_k must be from 1 to {MAX_TOP_K}")
    if request.id and request.vector:
        raise Fault(INVALID, "Cannot provide both 'ID' and 'vector' at the same time")
    namespace = records.at(request.namespace)
    query = namespace.get(request.id) if request.id else _asked(records, request)
    found = records.nearest(namespace, query, request.top_k, _tree(request.filter)) if query else []
    matches = [_match(request, *hit) for hit in found]
    return pb.QueryResponse(matches=matches, namespace=request.namespace, usage=pb.Usage(read_units=1))


def _asked(records: Records, request: pb.QueryRequest) -> Record:
    query = Record(floats(request.vector), sparse_of(request.sparse_vector), {})
    if query.sparse and records.traits.metric != "dotproduct":
        raise Fault(INVALID, "Index configuration does not support sparse values")
    records.check(query.values, query.sparse)
    return query


def _match(request: pb.QueryRequest, key: str, score: float, record: Record) -> pb.ScoredVector:
    match = pb.ScoredVector(id=key, score=score)
    if request.include_values:
        match.values.extend(record.values.tolist())
        if record.sparse:
            match.sparse_values.CopyFrom(_sparse(record.sparse))
    if request.include_metadata and record.metadata:
        match.metadata.CopyFrom(_metadata(record.metadata))
    return match


def _fetch(records: Records, request: pb.FetchRequest) -> pb.FetchResponse:
    namespace = records.at(request.namespace)
    found = {key: _vector(key, namespace[key]) for key in request.ids if key in namespace}
    return pb.FetchResponse(vectors=found, namespace=request.namespace, usage=pb.Usage(read_units=1))


def _fetch_by_metadata(records: Records, request: pb.FetchByMetadataRequest) -> pb.FetchByMetadataResponse:
    tree = _tree(request.filter)
    if not tree:
        raise Fault(INVALID, "Empty filter provided for fetch by metadata request")
    found = [key for key, _ in selected(records.at(request.namespace), tree) if key > request.pagination_token]
    limit = request.limit or 100
    page = {key: _vector(key, records.at(request.namespace)[key]) for key in found[:limit]}
    more = pb.Pagination(next=found[limit - 1]) if len(found) > limit else None
    return pb.FetchByMetadataResponse(vectors=page, namespace=request.namespace, usage=pb.Usage(read_units=1), pagination=more)


def _list(records: Records, request: pb.ListRequest) -> pb.ListResponse:
    limit = request.limit or MAX_PAGE
    if limit > MAX_PAGE:
        raise Fault(INVALID, f"limit must be from 1 to {MAX_PAGE}")
    # Bytewise, as the real server sorts ids.
    ids = sorted((key for key in records.at(request.namespace) if key.startswith(request.prefix)), key=str.encode)
    ids = [key for key in ids if key.encode() > request.pagination_token.encode()]
    # Left out on the last page: older clients would list for ever.
    more = pb.Pagination(next=ids[limit - 1]) if len(ids) > limit else None
    items = [pb.ListItem(id=key) for key in ids[:limit]]
    return pb.ListResponse(vectors=items, pagination=more, namespace=request.namespace, usage=pb.Usage(read_units=1))


def _update(records: Records, request: pb.UpdateRequest) -> pb.UpdateResponse:
    if request.HasField("filter"):
        return _update_where(records, request)
    record = records.at(request.namespace).get(request.id)
    if record is None:
        return pb.UpdateResponse()
    values, sparse = floats(request.values), sparse_of(request.sparse_values)
    if values.size or sparse:
        records.check(values, sparse)
    record.values = values if values.size else record.values
    record.sparse = sparse or record.sparse
    record.metadata.update(_tree(request.set_metadata))
    return pb.UpdateResponse()


def _update_where(records: Records, request: pb.UpdateRequest) -> pb.UpdateResponse:
    tree = _tree(request.filter)
    if not tree:
        raise Fault(INVALID, "Update with empty metadata filter is not allowed")
    if request.values or request.HasField("sparse_values"):
        raise Fault(INVALID, "Update by metadata request does not support updating vector values.")
    found = [record for _, record in selected(records.at(request.namespace), tree)]
    for record in () if request.dry_run else found:
        record.metadata.update(_tree(request.set_metadata))
    return pb.UpdateResponse(matched_records=len(found))


def _delete(records: Records, request: pb.DeleteRequest) -> pb.DeleteResponse:
    namespace, tree = records.at(request.namespace), _tree(request.filter)
    if request.HasField("filter") and not tree:
        raise Fault(INVALID, "Delete with empty metadata filter is not allowed")
    if request.delete_all and (request.ids or tree):
        raise Fault(INVALID, "No explicit IDs allowed when delete_all=true")
    chosen = [key for key, _ in selected(namespace, tree)] if tree or request.delete_all else request.ids
    for key in list(chosen):
        namespace.pop(key, None)
    return pb.DeleteResponse()


def _stats(records: Records, request: pb.DescribeIndexStatsRequest) -> pb.DescribeIndexStatsResponse:
    if _tree(request.filter):
        raise Fault(INVALID, "Serverless indexes do not support describing index stats with metadata filtering")
    counts = {name: pb.NamespaceSummary(vector_count=len(found)) for name, found in records.namespaces.items()}
    traits = records.traits
    return pb.DescribeIndexStatsResponse(
        namespaces=counts,
        dimension=traits.dimension or None,
        total_vector_count=sum(map(len, records.namespaces.values())),
        metric=traits.metric,
        vector_type=traits.vector_type,
    )


def _describe_namespace(records: Records, request: pb.NamespaceRequest) -> pb.NamespaceDescription:
    if not records.has(request.namespace):
        raise Fault(NOT_FOUND, f"Namespace {request.namespace} not found")
    return pb.NamespaceDescription(name=request.namespace, record_count=len(records.at(request.namespace)))


def _list_namespaces(records: Records, request: pb.ListNamespacesRequest) -> pb.ListNamespacesResponse:
    names = sorted(name or "__default__" for name in records.namespaces)
    names = [name for name in names if name.startswith(request.prefix) and name > request.pagination_token]
    limit = request.limit or MAX_PAGE
    page = [pb.NamespaceDescription(name=name, record_count=len(records.at(name))) for name in names[:limit]]
    more = pb.Pagination(next=names[limit - 1]) if len(names) > limit else None
    return pb.ListNamespacesResponse(namespaces=page, pagination=more, total_count=len(names))


def _create_namespace(records: Records, request: pb.CreateNamespaceRequest) -> pb.NamespaceDescription:
    if records.has(request.name):
        raise Fault(EXISTS, f"Namespace {request.name} already exists")
    records.made(request.name)
    return pb.NamespaceDescription(name=request.name)


def _delete_namespace(records: Records, request: pb.NamespaceRequest) -> pb.DeleteResponse:
    if not records.drop(request.namespace):
        raise Fault(NOT_FOUND, f"Namespace {request.namespace} not found")
    return pb.DeleteResponse()


CALLS: Final[Mapping[str, Call]] = {
    "Upsert": Call(pb.UpsertRequest, pb.UpsertResponse, _upsert, writes=True),
    "Query": Call(pb.QueryRequest, pb.QueryResponse, _query),
    "Fetch": Call(pb.FetchRequest, pb.FetchResponse, _fetch),
    "FetchByMetadata": Call(pb.FetchByMetadataRequest, pb.FetchByMetadataResponse, _fetch_by_metadata),
    "List": Call(pb.ListRequest, pb.ListResponse, _list),
    "Update": Call(pb.UpdateRequest, pb.UpdateResponse, _update, writes=True),
    "Delete": Call(pb.DeleteRequest, pb.DeleteResponse, _delete, writes=True),
    "DescribeIndexStats": Call(pb.DescribeIndexStatsRequest, pb.DescribeIndexStatsResponse, _stats),
    "ListNamespaces": Call(pb.ListNamespacesRequest, pb.ListNamespacesResponse, _list_namespaces),
    "DescribeNamespace": Call(pb.NamespaceRequest, pb.NamespaceDescription, _describe_namespace),
    "CreateNamespace": Call(pb.CreateNamespaceRequest, pb.NamespaceDescription, _create_namespace, writes=True),
    "DeleteNamespace": Call(pb.NamespaceRequest, pb.DeleteResponse, _delete_namespace, writes=True),
}


def run(records: Records, name: str, request: Any) -> tuple[Any, tuple[str, str]]:
    """The reply, and the header by which a client learns whether a read has seen its write. Raises Fault."""
    call = CALLS[name]
    reply = call.run(records, request)
    records.lsn += call.writes
    header = "x-pinecone-request-lsn" if call.writes else "x-pinecone-max-indexed-lsn"
    return reply, (header, str(records.lsn))
