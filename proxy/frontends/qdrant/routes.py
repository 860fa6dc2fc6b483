"""Every call that a Qdrant client can make, by its path alone: what kind it is, and the one action behind both protocols.

The tables list all documented REST paths and all methods of the public gRPC services; a test compares them with the SDK's.
Undocumented paths that the server answers are listed where they change data or where clients still use them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias
from urllib.parse import unquote

from proxy.ports import Kind, Retry, Route

GRPC: Final = "grpc"
REST: Final = "rest"
GRPC_SERVICES: Final = (b"/qdrant.", b"/grpc.")
"""How every gRPC path begins, and no REST path."""


class Action(StrEnum):
    """What a call is in either protocol; OTHER has no meaning here and is relayed or refused."""

    UPSERT = "upsert"
    DELETE = "delete"
    UPDATE_VECTORS = "update vectors"
    DELETE_VECTORS = "delete vectors"
    SET_PAYLOAD = "set payload"
    OVERWRITE_PAYLOAD = "overwrite payload"
    DELETE_PAYLOAD = "delete payload"
    CLEAR_PAYLOAD = "clear payload"
    UPDATE_BATCH = "update batch"

    CREATE_COLLECTION = "create collection"
    UPDATE_COLLECTION = "update collection"
    DELETE_COLLECTION = "delete collection"
    UPDATE_ALIASES = "update aliases"
    CREATE_INDEX = "create index"
    DELETE_INDEX = "delete index"
    CREATE_VECTOR = "create vector name"
    DELETE_VECTOR = "delete vector name"

    GET_POINT = "get point"
    RETRIEVE = "retrieve"
    SCROLL = "scroll"
    COUNT = "count"
    FACET = "facet"
    QUERY = "query"
    QUERY_BATCH = "query batch"
    QUERY_GROUPS = "query groups"
    MATRIX_PAIRS = "matrix pairs"
    MATRIX_OFFSETS = "matrix offsets"
    SEARCH = "search"
    SEARCH_BATCH = "search batch"
    SEARCH_GROUPS = "search groups"
    RECOMMEND = "recommend"
    RECOMMEND_BATCH = "recommend batch"
    RECOMMEND_GROUPS = "recommend groups"
    DISCOVER = "discover"
    DISCOVER_BATCH = "discover batch"

    VERSION = "version"
    HEALTHY = "healthy"
    READY = "ready"
    HEALTH_CHECK = "grpc health check"
    LIST_COLLECTIONS = "list collections"
    GET_COLLECTION = "get collection"
    COLLECTION_EXISTS = "collection exists"
    LIST_ALIASES = "list aliases"
    COLLECTION_ALIASES = "list collection aliases"

    OTHER = "other"


BATCHES: Final = frozenset({Action.QUERY_BATCH, Action.SEARCH_BATCH, Action.RECOMMEND_BATCH, Action.DISCOVER_BATCH})
"""Of searches: each has an answer of its own."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`variables`: the names of the path's variable segments, in order."""

    route: Route
    action: Action
    variables: tuple[str, ...] = ()


_A = Action
_C: Final = "/collections/{collection_name}"
_P: Final = f"{_C}/points"
_S: Final = f"{_C}/shards/{{shard_id}}"

_Paths: TypeAlias = Mapping[str, Action]

_REST_READS: Final[_Paths] = {
    f"GET {_C}": _A.GET_COLLECTION,
    f"GET {_P}/{{id}}": _A.GET_POINT,
    f"POST {_P}": _A.RETRIEVE,
    f"POST {_P}/scroll": _A.SCROLL,
    f"POST {_P}/count": _A.COUNT,
    f"POST {_C}/facet": _A.FACET,
    f"POST {_P}/query": _A.QUERY,
    f"POST {_P}/query/batch": _A.QUERY_BATCH,
    f"POST {_P}/query/groups": _A.QUERY_GROUPS,
    f"POST {_P}/search/matrix/pairs": _A.MATRIX_PAIRS,
    f"POST {_P}/search/matrix/offsets": _A.MATRIX_OFFSETS,
    f"POST {_P}/search": _A.SEARCH,
    f"POST {_P}/search/batch": _A.SEARCH_BATCH,
    f"POST {_P}/search/groups": _A.SEARCH_GROUPS,
    f"POST {_P}/recommend": _A.RECOMMEND,
    f"POST {_P}/recommend/batch": _A.RECOMMEND_BATCH,
    f"POST {_P}/recommend/groups": _A.RECOMMEND_GROUPS,
    f"POST {_P}/discover": _A.DISCOVER,
    f"POST {_P}/discover/batch": _A.DISCOVER_BATCH,
}
_REST_WRITES: Final[_Paths] = {f"PUT {_P}": _A.UPSERT, f"PUT {_P}/vectors": _A.UPDATE_VECTORS}
_REST_BY_FILTER: Final[_Paths] = {
    f"POST {_P}/delete": _A.DELETE,
    f"POST {_P}/vectors/delete": _A.DELETE_VECTORS,
    f"POST {_P}/payload": _A.SET_PAYLOAD,
    f"PUT {_P}/payload": _A.OVERWRITE_PAYLOAD,
    f"POST {_P}/payload/delete": _A.DELETE_PAYLOAD,
    f"POST {_P}/payload/clear": _A.CLEAR_PAYLOAD,
    f"POST {_P}/batch": _A.UPDATE_BATCH,
}
"""Ids or a filter: only the body tells."""
_REST_SCHEMA: Final[_Paths] = {
    f"PUT {_C}": _A.CREATE_COLLECTION,
    f"PATCH {_C}": _A.UPDATE_COLLECTION,
    f"DELETE {_C}": _A.DELETE_COLLECTION,
    "POST /collections/aliases": _A.UPDATE_ALIASES,
    f"PUT {_C}/index": _A.CREATE_INDEX,
    f"DELETE {_C}/index/{{field_name}}": _A.DELETE_INDEX,
    f"PUT {_C}/vectors/{{vector_name}}": _A.CREATE_VECTOR,
    f"DELETE {_C}/vectors/{{vector_name}}": _A.DELETE_VECTOR,
}
_REST_ADMIN: Final[_Paths] = {
    "GET /": _A.VERSION,
    "GET /healthz": _A.HEALTHY,
    "GET /livez": _A.HEALTHY,
    "GET /readyz": _A.READY,
    "GET /collections": _A.LIST_COLLECTIONS,
    f"GET {_C}/exists": _A.COLLECTION_EXISTS,
    "GET /aliases": _A.LIST_ALIASES,
    f"GET {_C}/aliases": _A.COLLECTION_ALIASES,
}
_REST_CHANGING: Final = (
    f"PUT {_C}/shards", f"POST {_C}/shards/delete", f"POST {_C}/cluster",
    "POST /cluster/recover", "DELETE /cluster/peer/{peer_id}",
    f"PUT {_C}/snapshots/recover", f"POST {_C}/snapshots/upload",
    f"PUT {_S}/snapshots/recover", f"POST {_S}/snapshots/upload",
    f"POST {_S}/snapshot/partial/create", f"POST {_S}/snapshot/partial/recover", f"POST {_S}/snapshot/partial/recover_from",
    f"POST {_S}/cleanup", f"POST {_C}/truncate_unapplied_wal",
)  # fmt: skip
"""Opaque, and they replace or move points."""
_REST_OTHER: Final = (
    "GET /issues", "DELETE /issues", "GET /quotas", "PUT /quotas", "GET /metrics", "GET /telemetry",
    f"GET {_C}/optimizations", f"GET {_C}/memory",
    "GET /cluster", "GET /cluster/telemetry", f"GET {_C}/cluster", f"GET {_C}/shards",
    "POST /snapshots", "GET /snapshots", "GET /snapshots/{snapshot_name}", "DELETE /snapshots/{snapshot_name}",
    f"POST {_C}/snapshots", f"GET {_C}/snapshots",
    f"GET {_C}/snapshots/{{snapshot_name}}", f"DELETE {_C}/snapshots/{{snapshot_name}}",
    f"POST {_S}/snapshots", f"GET {_S}/snapshots", f"GET {_S}/snapshot",
    f"GET {_S}/snapshots/{{snapshot_name}}", f"DELETE {_S}/snapshots/{{snapshot_name}}",
    f"POST {_S}/points", f"POST {_S}/points/scroll", f"POST {_S}/points/count",
    "GET /audit/logs", "GET /logger", "POST /logger", "GET /stacktrace", "GET /profiler/slow_requests",
)  # fmt: skip
"""Opaque, and no point is different afterwards."""

_POINTS: Final = "/qdrant.Points/"
_COLLECTIONS: Final = "/qdrant.Collections/"
_GRPC_READS: Final[_Paths] = {
    f"{_COLLECTIONS}Get": _A.GET_COLLECTION,
    f"{_POINTS}Get": _A.RETRIEVE,
    f"{_POINTS}Scroll": _A.SCROLL,
    f"{_POINTS}Count": _A.COUNT,
    f"{_POINTS}Facet": _A.FACET,
    f"{_POINTS}Query": _A.QUERY,
    f"{_POINTS}QueryBatch": _A.QUERY_BATCH,
    f"{_POINTS}QueryGroups": _A.QUERY_GROUPS,
    f"{_POINTS}SearchMatrixPairs": _A.MATRIX_PAIRS,
    f"{_POINTS}SearchMatrixOffsets": _A.MATRIX_OFFSETS,
    f"{_POINTS}Search": _A.SEARCH,
    f"{_POINTS}SearchBatch": _A.SEARCH_BATCH,
    f"{_POINTS}SearchGroups": _A.SEARCH_GROUPS,
    f"{_POINTS}Recommend": _A.RECOMMEND,
    f"{_POINTS}RecommendBatch": _A.RECOMMEND_BATCH,
    f"{_POINTS}RecommendGroups": _A.RECOMMEND_GROUPS,
    f"{_POINTS}Discover": _A.DISCOVER,
    f"{_POINTS}DiscoverBatch": _A.DISCOVER_BATCH,
}
_GRPC_WRITES: Final[_Paths] = {f"{_POINTS}Upsert": _A.UPSERT, f"{_POINTS}UpdateVectors": _A.UPDATE_VECTORS}
_GRPC_BY_FILTER: Final[_Paths] = {
    f"{_POINTS}Delete": _A.DELETE,
    f"{_POINTS}DeleteVectors": _A.DELETE_VECTORS,
    f"{_POINTS}SetPayload": _A.SET_PAYLOAD,
    f"{_POINTS}OverwritePayload": _A.OVERWRITE_PAYLOAD,
    f"{_POINTS}DeletePayload": _A.DELETE_PAYLOAD,
    f"{_POINTS}ClearPayload": _A.CLEAR_PAYLOAD,
    f"{_POINTS}UpdateBatch": _A.UPDATE_BATCH,
}
_GRPC_SCHEMA: Final[_Paths] = {
    f"{_COLLECTIONS}Create": _A.CREATE_COLLECTION,
    f"{_COLLECTIONS}Update": _A.UPDATE_COLLECTION,
    f"{_COLLECTIONS}Delete": _A.DELETE_COLLECTION,
    f"{_COLLECTIONS}UpdateAliases": _A.UPDATE_ALIASES,
    f"{_POINTS}CreateFieldIndex": _A.CREATE_INDEX,
    f"{_POINTS}DeleteFieldIndex": _A.DELETE_INDEX,
    f"{_POINTS}CreateVectorName": _A.CREATE_VECTOR,
    f"{_POINTS}DeleteVectorName": _A.DELETE_VECTOR,
}
_GRPC_ADMIN: Final[_Paths] = {
    "/qdrant.Qdrant/HealthCheck": _A.VERSION,
    "/grpc.health.v1.Health/Check": _A.HEALTH_CHECK,
    f"{_COLLECTIONS}List": _A.LIST_COLLECTIONS,
    f"{_COLLECTIONS}CollectionExists": _A.COLLECTION_EXISTS,
    f"{_COLLECTIONS}ListAliases": _A.LIST_ALIASES,
    f"{_COLLECTIONS}ListCollectionAliases": _A.COLLECTION_ALIASES,
}
_GRPC_CHANGING: Final = tuple(
    f"{_COLLECTIONS}{name}" for name in ("UpdateCollectionClusterSetup", "CreateShardKey", "DeleteShardKey")
)
_SNAPSHOTS: Final = ("Create", "List", "Delete", "CreateFull", "ListFull", "DeleteFull")
_GRPC_OTHER: Final = (
    f"{_COLLECTIONS}CollectionClusterInfo",
    f"{_COLLECTIONS}ListShardKeys",
    *(f"/qdrant.Snapshots/{name}" for name in _SNAPSHOTS),
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
)


def _schema(name: str, action: Action) -> Route:
    """Whether a collection may be created depends on those that are there; whether it was, on the reply."""
    return Route(Kind.SCHEMA, name, needs_reply=action is Action.CREATE_COLLECTION)


def _endpoints(
    reads: _Paths,
    writes: _Paths,
    by_filter: _Paths,
    schema: _Paths,
    admin: _Paths,
    changing: tuple[str, ...],
    other: tuple[str, ...],
) -> dict[str, Endpoint]:
    """By the name that is told of a call: its method and path template, or its gRPC path."""
    return {
        **{name: Endpoint(Route(Kind.READ, name, Retry.SAFE), action) for name, action in reads.items()},
        **{name: Endpoint(Route(Kind.WRITE, name), action) for name, action in writes.items()},
        **{name: Endpoint(Route(Kind.WRITE, name, by_filter=True), action) for name, action in by_filter.items()},
        **{name: Endpoint(_schema(name, action), action) for name, action in schema.items()},
        **{name: Endpoint(Route(Kind.ADMIN, name, Retry.SAFE), action) for name, action in admin.items()},
        **{name: Endpoint(Route(Kind.OPAQUE, name, changes_data=True), _A.OTHER) for name in changing},
        **{name: Endpoint(Route(Kind.OPAQUE, name), _A.OTHER) for name in other},
    }


REST_CALLS: Final[Mapping[str, Endpoint]] = _endpoints(
    _REST_READS, _REST_WRITES, _REST_BY_FILTER, _REST_SCHEMA, _REST_ADMIN, _REST_CHANGING, _REST_OTHER
)
GRPC_CALLS: Final[Mapping[str, Endpoint]] = _endpoints(
    _GRPC_READS, _GRPC_WRITES, _GRPC_BY_FILTER, _GRPC_SCHEMA, _GRPC_ADMIN, _GRPC_CHANGING, _GRPC_OTHER
)
UNKNOWN: Final = Endpoint(Route(Kind.OPAQUE, "unknown call", changes_data=True), Action.OTHER)
UNKNOWN_READ: Final = Endpoint(Route(Kind.OPAQUE, "unknown read"), Action.OTHER)
_LOOKING: Final = frozenset({b"GET", b"HEAD", b"OPTIONS"})

# ---- looking up: by the exact path, by what follows a collection's name, by a template ----

_Segments: TypeAlias = tuple[bytes | None, ...]
"""None: any text."""
_IN_COLLECTION: Final = b"/collections/"
_NAME: Final = len(_IN_COLLECTION)
"""Where a collection's name begins."""


def _segments(template: str) -> _Segments:
    return tuple(None if part.startswith("{") else part.encode() for part in template.split("/"))


def _variables(template: str) -> tuple[str, ...]:
    return tuple(part[1:-1] for part in template.split("/") if part.startswith("{"))


@dataclass(frozen=True, slots=True)
class _Lookup:
    exact: dict[tuple[bytes, bytes], Endpoint]
    of_collection: dict[tuple[bytes, bytes], Endpoint]
    """By what follows the collection's name."""
    templates: dict[tuple[bytes, int], list[tuple[_Segments, Endpoint]]]
    """By method and number of segments."""


def _lookup() -> _Lookup:
    lookup = _Lookup({}, {}, {})
    for name, bare in REST_CALLS.items():
        method, _, template = name.partition(" ")
        known = Endpoint(bare.route, bare.action, _variables(template))
        rest = template.removeprefix(_C)
        if "{" not in template:
            lookup.exact[method.encode(), template.encode()] = known
        elif template.startswith(_C) and rest and "{" not in rest:
            lookup.of_collection[method.encode(), rest.encode()] = known
        else:
            parts = _segments(template)
            lookup.templates.setdefault((method.encode(), len(parts)), []).append((parts, known))
    return lookup


_LOOKUP: Final = _lookup()
_BY_GRPC_PATH: Final = {path.encode(): endpoint for path, endpoint in GRPC_CALLS.items()}


def is_grpc(path: bytes) -> bool:
    return path.startswith(GRPC_SERVICES)


def endpoint(method: bytes, path: bytes, role: str) -> Endpoint:
    """Unknown paths are opaque, and change data unless they only look."""
    if role == GRPC:
        return _BY_GRPC_PATH.get(path, UNKNOWN)
    known = _rest_endpoint(method, path.partition(b"?")[0])
    if known is not None:
        return known
    # The path is the client's text, and names become labels of metrics: so it is no part of the name.
    return UNKNOWN_READ if method in _LOOKING else UNKNOWN


def _rest_endpoint(method: bytes, bare: bytes) -> Endpoint | None:
    if bare.startswith(_IN_COLLECTION):
        slash = bare.find(b"/", _NAME)
        if slash > _NAME and (known := _LOOKUP.of_collection.get((method, bare[slash:]))) is not None:
            return known
    return _LOOKUP.exact.get((method, bare)) or _by_template(method, bare)


def _by_template(method: bytes, bare: bytes) -> Endpoint | None:
    segments = bare.split(b"/")
    for template, known in _LOOKUP.templates.get((method, len(segments)), ()):
        if _fits(template, segments):
            return known
    return None


def _fits(template: _Segments, segments: list[bytes]) -> bool:
    return all(found if part is None else part == found for part, found in zip(template, segments, strict=True))


def variables(path: bytes, known: Endpoint) -> dict[str, str]:
    """The path's variable segments by their names, percent-decoded."""
    segments = path.partition(b"?")[0].decode("utf-8", "replace").split("/")
    template = known.route.name.partition(" ")[2].split("/")
    values = (unquote(found) for part, found in zip(template, segments, strict=True) if part.startswith("{"))
    return dict(zip(known.variables, values, strict=True))
