"""Queries grouped by a payload field.

The engine has no groups, so the best points are asked for in growing slices until enough groups are full, or the points end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import qdrant_edge as edge
from qdrant_client import models

from proxy.local.qdrant.collection import Collection
from proxy.local.qdrant.engine import check_limit
from proxy.local.qdrant.errors import FORMAT, Fault
from proxy.local.qdrant.queries import Find, compile_query
from proxy.local.qdrant.reads import retrieve
from proxy.qdrant.settings import given

DEFAULT_GROUPS: Final = 10
DEFAULT_GROUP_SIZE: Final = 3
_GROWTH: Final = 4  # each slice is this many times the one before
_STEP: Final = re.compile(r'"([^"]*)"|([^.\[\]]+)|(\[\])')

GroupId: TypeAlias = str | int
_Ranked: TypeAlias = dict[GroupId, list[edge.ScoredPoint]]


@dataclass(frozen=True, slots=True)
class Hit:
    """A scored point with the payload and vectors that the request asks for."""

    id: Any
    version: int
    score: float
    payload: Any
    vector: Any
    order_value: int | float | None


@dataclass(frozen=True, slots=True)
class Group:
    id: GroupId
    hits: tuple[Hit, ...]
    lookup: edge.Record | None


def query_groups(find: Find, name: str, request: models.QueryGroupsRequest) -> list[Group]:
    """Best first, by their best hits. A point without the field is in no group; one with several values is in several."""
    collection = find(name)
    ranked = _ranked(find, collection, request)
    shown = _shown(collection, request, (hit for hits in ranked.values() for hit in hits))
    lookups = _lookups(find, request.with_lookup, ranked)
    return [Group(value, tuple(shown[hit.id] for hit in hits), lookups.get(value)) for value, hits in ranked.items()]


def _ranked(find: Find, collection: Collection, request: models.QueryGroupsRequest) -> _Ranked:
    groups = check_limit(request.limit, DEFAULT_GROUPS)
    size = check_limit(request.group_size, DEFAULT_GROUP_SIZE)
    limit = groups * size * _GROWTH
    while True:
        hits = collection.query(compile_query(find, collection, _ungrouped(request, limit)))
        ranked = _grouped(hits, request.group_by, groups, size)
        full = len(ranked) == groups and all(len(members) == size for members in ranked.values())
        if full or len(hits) < limit:
            return ranked
        limit *= _GROWTH


def _ungrouped(request: models.QueryGroupsRequest, limit: int) -> models.QueryRequest:
    dropped = {"group_by", "group_size", "with_lookup", "with_vector"}
    kept = {name: value for name, value in given(request).items() if name not in dropped}
    return models.QueryRequest.model_construct(**{**kept, "limit": limit, "with_payload": [request.group_by]})


def _grouped(hits: Sequence[edge.ScoredPoint], path: str, groups: int, size: int) -> _Ranked:
    ranked: _Ranked = {}
    for hit in hits:
        for value in dict.fromkeys(_values(hit.payload or {}, path)):
            if value not in ranked and len(ranked) == groups:
                continue
            if len(members := ranked.setdefault(value, [])) < size:
                members.append(hit)
    return ranked


def _values(payload: dict[str, Any], path: str) -> list[GroupId]:
    """The texts and integers at a JSON path; those in an array each."""
    found: list[Any] = [payload]
    for quoted, plain, every in _STEP.findall(path):
        if every:
            found = [one for each in found if isinstance(each, list) for one in each]
        else:
            found = [each[quoted or plain] for each in found if isinstance(each, dict) and (quoted or plain) in each]
    flat = [one for each in found for one in (each if isinstance(each, list) else [each])]
    return [one for one in flat if isinstance(one, str | int) and not isinstance(one, bool)]


def _shown(collection: Collection, request: models.QueryGroupsRequest, hits: Iterable[edge.ScoredPoint]) -> dict[Any, Hit]:
    scored = {hit.id: hit for hit in hits}
    wanted = models.PointRequest(
        ids=list(scored), with_payload=request.with_payload or False, with_vector=request.with_vector or False
    )
    return {
        record.id: Hit(
            record.id,
            scored[record.id].version,
            scored[record.id].score,
            record.payload,
            record.vector,
            scored[record.id].order_value,
        )
        for record in retrieve(collection, wanted)
    }


def _lookups(find: Find, lookup: models.WithLookupInterface | None, groups: Iterable[GroupId]) -> dict[GroupId, edge.Record]:
    """The points of another collection whose ids are the groups' values."""
    if lookup is None:
        return {}
    wanted = models.WithLookup(collection=lookup) if isinstance(lookup, str) else lookup
    collection = find(wanted.collection)
    found = {group: _lookup(collection, wanted, group) for group in groups}
    return {group: record for group, record in found.items() if record is not None}


def _lookup(collection: Collection, wanted: models.WithLookup, group: GroupId) -> edge.Record | None:
    request = models.PointRequest(ids=[group], with_payload=wanted.with_payload, with_vector=wanted.with_vectors)
    try:
        records = retrieve(collection, request)
    except Fault as fault:
        if fault.kind is FORMAT:  # a value that cannot be an id has no point
            return None
        raise
    return records[0] if records else None
