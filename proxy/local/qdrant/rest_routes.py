"""What each REST call means: one table of method and path, and a function for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from pydantic import TypeAdapter
from qdrant_client import models

from proxy.local.qdrant import reads, updates
from proxy.local.qdrant.collection import Collection, FieldSchema, create_index, delete_index
from proxy.local.qdrant.errors import BAD_REQUEST, NOT_FOUND, Fault
from proxy.local.qdrant.groups import query_groups
from proxy.local.qdrant.registry import Registry
from proxy.local.qdrant.rest_json import encode_record, encode_scored, parse


@dataclass(frozen=True, slots=True)
class Call:
    """One request: its path's parts decoded, its body parsed as JSON only."""

    registry: Registry
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any

    @property
    def collection(self) -> Collection:
        return self.registry.get(self.path["name"])


Handler: TypeAlias = Callable[[Call], Any]

_CREATE: Final = TypeAdapter(models.CreateCollection)
_UPDATE: Final = TypeAdapter(models.UpdateCollection)
_ALIASES: Final = TypeAdapter(models.ChangeAliasesOperation)
_INDEX: Final = TypeAdapter(models.CreateFieldIndex)
_VECTOR: Final[TypeAdapter[models.VectorNameConfig]] = TypeAdapter(models.VectorNameConfig)
_OPERATION: Final[TypeAdapter[models.UpdateOperation]] = TypeAdapter(models.UpdateOperation)
_OPERATIONS: Final = TypeAdapter(models.UpdateOperations)
_QUERY: Final = TypeAdapter(models.QueryRequest)
_QUERIES: Final = TypeAdapter(models.QueryRequestBatch)
_GROUPS: Final = TypeAdapter(models.QueryGroupsRequest)
_SCROLL: Final = TypeAdapter(models.ScrollRequest)
_POINTS: Final = TypeAdapter(models.PointRequest)
_COUNT: Final = TypeAdapter(models.CountRequest)
_FACET: Final = TypeAdapter(models.FacetRequest)


# ---- collections ----


def _list(call: Call) -> Any:
    return {"collections": [{"name": name} for name in call.registry.names()]}


def _create(call: Call) -> bool:
    call.registry.create(call.path["name"], parse(_CREATE, call.body))
    return True


def _patch(call: Call) -> bool:
    call.registry.patch(call.path["name"], parse(_UPDATE, call.body))
    return True


def _change_aliases(call: Call) -> bool:
    call.registry.change_aliases(parse(_ALIASES, call.body).actions)
    return True


def _create_index(call: Call) -> Any:
    found = parse(_INDEX, call.body)
    if found.field_schema is None:
        raise Fault(BAD_REQUEST, "field_schema is required")
    schema: FieldSchema = found.field_schema
    return _saved(call, create_index(call.collection, found.field_name, schema))


def _delete_index(call: Call) -> Any:
    return _saved(call, delete_index(call.collection, call.path["field"]))


def _create_vector(call: Call) -> Any:
    return _saved(call, updates.create_vector(call.collection, call.path["vector"], parse(_VECTOR, call.body)))


def _delete_vector(call: Call) -> Any:
    return _saved(call, updates.delete_vector(call.collection, call.path["vector"]))


def _saved(call: Call, number: int) -> Any:
    call.registry.save()
    return _done(call, number)


# ---- points ----


def _done(call: Call, number: int) -> Any:
    wait = call.query.get("wait") == "true"
    return {"operation_id": number, "status": "completed" if wait else "acknowledged"}


def _write(variant: str) -> Handler:
    """A single write is the batch's form of it, with one operation."""

    def run(call: Call) -> Any:
        return _done(call, updates.write(call.collection, parse(_OPERATION, {variant: call.body})))

    return run


def _write_batch(call: Call) -> Any:
    operations = parse(_OPERATIONS, call.body).operations
    return [_done(call, updates.write(call.collection, operation)) for operation in operations]


def _query(call: Call) -> Any:
    found = reads.query(call.registry.get, call.path["name"], parse(_QUERY, call.body))
    return {"points": [encode_scored(point) for point in found]}


def _query_batch(call: Call) -> Any:
    wanted = parse(_QUERIES, call.body).searches
    answers = [reads.query(call.registry.get, call.path["name"], one) for one in wanted]
    return [{"points": [encode_scored(point) for point in answer]} for answer in answers]


def _query_groups(call: Call) -> Any:
    groups = query_groups(call.registry.get, call.path["name"], parse(_GROUPS, call.body))
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


_C: Final = "/collections/{name}"
ROUTES: Final[Mapping[tuple[str, str], Handler]] = {
    ("GET", "/collections"): _list,
    ("POST", "/collections/aliases"): _change_aliases,
    ("GET", "/aliases"): lambda call: {"aliases": call.registry.aliases()},
    ("GET", "/cluster"): lambda _: {"status": "disabled"},
    ("GET", _C): lambda call: call.collection.describe(),
    ("PUT", _C): _create,
    ("PATCH", _C): _patch,
    ("DELETE", _C): lambda call: call.registry.drop(call.path["name"]),
    ("GET", f"{_C}/exists"): lambda call: {"exists": call.registry.exists(call.path["name"])},
    ("GET", f"{_C}/aliases"): lambda call: {"aliases": call.registry.aliases(call.path["name"])},
    ("PUT", f"{_C}/index"): _create_index,
    ("DELETE", f"{_C}/index/{{field}}"): _delete_index,
    ("PUT", f"{_C}/vectors/{{vector}}"): _create_vector,
    ("DELETE", f"{_C}/vectors/{{vector}}"): _delete_vector,
    ("PUT", f"{_C}/points"): _write("upsert"),
    ("POST", f"{_C}/points"): _retrieve,
    ("POST", f"{_C}/points/delete"): _write("delete"),
    ("POST", f"{_C}/points/payload"): _write("set_payload"),
    ("PUT", f"{_C}/points/payload"): _write("overwrite_payload"),
    ("POST", f"{_C}/points/payload/delete"): _write("delete_payload"),
    ("POST", f"{_C}/points/payload/clear"): _write("clear_payload"),
    ("PUT", f"{_C}/points/vectors"): _write("update_vectors"),
    ("POST", f"{_C}/points/vectors/delete"): _write("delete_vectors"),
    ("POST", f"{_C}/points/batch"): _write_batch,
    ("POST", f"{_C}/points/query"): _query,
    ("POST", f"{_C}/points/query/batch"): _query_batch,
    ("POST", f"{_C}/points/query/groups"): _query_groups,
    ("POST", f"{_C}/points/scroll"): _scroll,
    ("POST", f"{_C}/points/count"): _count,
    ("GET", f"{_C}/points/{{id}}"): _get_point,
    ("POST", f"{_C}/facet"): _facet,
}
