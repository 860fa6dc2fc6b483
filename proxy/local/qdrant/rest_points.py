"""What the REST calls on points mean: a table of method and path, and a function for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from pydantic import TypeAdapter
from qdrant_client import models

from proxy.local.qdrant import reads, updates
from proxy.local.qdrant.errors import FORMAT, NOT_FOUND, Fault
from proxy.local.qdrant.groups import query_groups
from proxy.local.qdrant.matrix import Matrix, distance_matrix
from proxy.local.qdrant.rest_call import PREFIX, Call, Handler, done
from proxy.local.qdrant.rest_json import encode_record, encode_scored, parse
from proxy.qdrant import legacy

_OPERATION: Final[TypeAdapter[models.UpdateOperation]] = TypeAdapter(models.UpdateOperation)
_OPERATIONS: Final = TypeAdapter(models.UpdateOperations)
_QUERY: Final = TypeAdapter(models.QueryRequest)
_QUERIES: Final = TypeAdapter(models.QueryRequestBatch)
_GROUPS: Final = TypeAdapter(models.QueryGroupsRequest)
_SCROLL: Final = TypeAdapter(models.ScrollRequest)
_POINTS: Final = TypeAdapter(models.PointRequest)
_COUNT: Final = TypeAdapter(models.CountRequest)
_FACET: Final = TypeAdapter(models.FacetRequest)
_MATRIX: Final = TypeAdapter(models.SearchMatrixRequest)


def _write(variant: str) -> Handler:
    """A single write is the batch's form of it, with one operation."""

    def run(call: Call) -> Any:
        return done(call, updates.write(call.collection, parse(_OPERATION, {variant: call.body})))

    return run


def _write_batch(call: Call) -> Any:
    operations = parse(_OPERATIONS, call.body).operations
    return [done(call, updates.write(call.collection, operation)) for operation in operations]


def _found(call: Call, request: models.QueryRequest) -> list[Any]:
    return [encode_scored(point) for point in reads.query(call.registry.get, call.path["name"], request)]


def _query_batch(call: Call) -> Any:
    return [{"points": _found(call, one)} for one in parse(_QUERIES, call.body).searches]


def _groups(call: Call, request: models.QueryGroupsRequest) -> Any:
    groups = query_groups(call.registry.get, call.path["name"], request)
    return {
        "groups": [
            {
                "id": group.id,
                "hits": [encode_scored(hit) for hit in group.hits],
                **({"lookup": encode_record(group.lookup)} if group.lookup is not None else {}),
            }
            for group in groups
        ]
    }


def _legacy(rewrite: Callable[[Any], dict[str, Any]]) -> dict[str, Handler]:
    """The three paths of one kind of search from before queries; their answers are bare lists."""
    handlers: dict[str, Handler] = {
        "": lambda call: _found(call, parse(_QUERY, rewrite(call.body))),
        "/batch": lambda call: [_found(call, parse(_QUERY, rewrite(one))) for one in legacy.batch(call.body)],
        "/groups": lambda call: _groups(call, parse(_GROUPS, rewrite(call.body))),
    }
    return {path: _worded(handler) for path, handler in handlers.items()}


def _worded(handler: Handler) -> Handler:
    def run(call: Call) -> Any:
        try:
            return handler(call)
        except ValueError as error:
            raise Fault(FORMAT, str(error)) from None

    return run


def _matrix(call: Call) -> Matrix:
    return distance_matrix(call.collection, parse(_MATRIX, call.body))


def _matrix_pairs(call: Call) -> Any:
    found = _matrix(call)
    return {"pairs": [{"a": found.ids[a], "b": found.ids[b], "score": np.float32(score)} for a, b, score in found.pairs]}


def _matrix_offsets(call: Call) -> Any:
    found = _matrix(call)
    return {
        "offsets_row": [row for row, _, _ in found.pairs],
        "offsets_col": [column for _, column, _ in found.pairs],
        "scores": np.array([score for _, _, score in found.pairs], np.float32),
        "ids": found.ids,
    }


def _scroll(call: Call) -> Any:
    page, following = reads.scroll(call.collection, parse(_SCROLL, call.body))
    return {"points": [encode_record(record) for record in page], "next_page_offset": following}


def _retrieve(call: Call) -> Any:
    return [encode_record(record) for record in reads.retrieve(call.collection, parse(_POINTS, call.body))]


def _get_point(call: Call) -> Any:
    raw = call.path["id"]
    wanted = models.PointRequest(ids=[int(raw) if raw.isdecimal() else raw], with_payload=True, with_vector=True)
    found = reads.retrieve(call.collection, wanted)
    if not found:
        raise Fault(NOT_FOUND, f"Point with id {raw} does not exists!")
    return encode_record(found[0])


def _count(call: Call) -> Any:
    return {"count": reads.count(call.collection, parse(_COUNT, call.body))}


def _facet(call: Call) -> Any:
    hits = reads.facet(call.collection, parse(_FACET, call.body))
    return {"hits": [{"value": hit.value, "count": hit.count} for hit in hits]}


POINTS: Final[Mapping[tuple[str, str], Handler]] = {
    ("PUT", f"{PREFIX}/points"): _write("upsert"),
    ("POST", f"{PREFIX}/points"): _retrieve,
    ("POST", f"{PREFIX}/points/delete"): _write("delete"),
    ("POST", f"{PREFIX}/points/payload"): _write("set_payload"),
    ("PUT", f"{PREFIX}/points/payload"): _write("overwrite_payload"),
    ("POST", f"{PREFIX}/points/payload/delete"): _write("delete_payload"),
    ("POST", f"{PREFIX}/points/payload/clear"): _write("clear_payload"),
    ("PUT", f"{PREFIX}/points/vectors"): _write("update_vectors"),
    ("POST", f"{PREFIX}/points/vectors/delete"): _write("delete_vectors"),
    ("POST", f"{PREFIX}/points/batch"): _write_batch,
    ("POST", f"{PREFIX}/points/query"): lambda call: {"points": _found(call, parse(_QUERY, call.body))},
    ("POST", f"{PREFIX}/points/query/batch"): _query_batch,
    ("POST", f"{PREFIX}/points/query/groups"): lambda call: _groups(call, parse(_GROUPS, call.body)),
    ("POST", f"{PREFIX}/points/search/matrix/pairs"): _matrix_pairs,
    ("POST", f"{PREFIX}/points/search/matrix/offsets"): _matrix_offsets,
    ("POST", f"{PREFIX}/points/scroll"): _scroll,
    ("POST", f"{PREFIX}/points/count"): _count,
    ("GET", f"{PREFIX}/points/{{id}}"): _get_point,
    ("POST", f"{PREFIX}/facet"): _facet,
    **{
        ("POST", f"{PREFIX}/points/{kind}{path}"): handler
        for kind, rewrite in (("search", legacy.search), ("recommend", legacy.recommend), ("discover", legacy.discover))
        for path, handler in _legacy(rewrite).items()
    },
}
