"""Results of reads -> Qdrant's replies, in the protocol that was asked in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from qdrant_client import models

from proxy.errors import Broken, NotFound
from proxy.frontends.qdrant import read_json, read_messages, replies
from proxy.frontends.qdrant.calls import Call
from proxy.frontends.qdrant.describe import described
from proxy.frontends.qdrant.read_messages import Form, form_of
from proxy.frontends.qdrant.routes import BATCHES, GRPC, Action
from proxy.frontends.qdrant.shown import Row, Selection, Shown, rows_of, selection_of
from proxy.model.operation import Fetch, Group, Groups, Page, Read, Result
from proxy.ports import Catalog, Reply

_OF_QUERIES: Final = frozenset({Action.QUERY, Action.QUERY_BATCH})
"""Over REST their answers are objects with `points`; those of older calls are bare lists."""


def encode_read(call: Call, operation: Read, result: Result, catalog: Catalog) -> Reply:
    form = form_of(catalog.schema(operation.collection), catalog)
    match result:
        case dict():
            return _records(call, _in_order(operation, result, selection_of(call.body, default=True)), form)
        case int() if call.action is Action.GET_COLLECTION:
            return described(call, catalog.schema(operation.collection), result)
        case int():
            return _count(call, result)
        case Page() if isinstance(call.body, models.ScrollRequest):
            return _page(call, result, form)
        case Groups():
            return _groups(call, result, form, catalog)
        case _:
            return _rows(call, rows_of(queries_of(call), result), form)


def queries_of(call: Call) -> list[Any]:
    """One request each."""
    return list(call.body.searches) if call.action in BATCHES else [call.body]


def _in_order(operation: Read, points: Any, selection: Selection) -> Row:
    if not isinstance(operation, Fetch):
        raise Broken(f"a {type(operation).__name__} was answered with points by key")
    return tuple(selection.point(points[key]) for key in operation.keys if key in points)


def _records(call: Call, points: Row, form: Form) -> Reply:
    if call.role == GRPC:
        return read_messages.records(points, form)
    records = [read_json.record(point, form.schema) for point in points]
    if call.action is not Action.GET_POINT:
        return replies.rest(records)
    if not records:
        raise NotFound(f"Point with id {call.path['id']} does not exists!")
    return replies.rest(records[0])


def _count(call: Call, count: int) -> Reply:
    return read_messages.count(count) if call.role == GRPC else replies.rest({"count": count})


def _page(call: Call, page: Page, form: Form) -> Reply:
    points = tuple(map(selection_of(call.body, default=True).point, page.points))
    following = None if page.next is None else page.next.id
    return read_messages.page(points, following, form) if call.role == GRPC else read_json.page(points, following, form.schema)


def _rows(call: Call, rows: Sequence[Row], form: Form) -> Reply:
    if call.role == GRPC:
        return read_messages.rows(call, rows, form)
    scored = [[read_json.scored(point, form.schema) for point in row] for row in rows]
    told = [{"points": row} for row in scored] if call.action in _OF_QUERIES else scored
    return replies.rest(told if call.action in BATCHES else told[0])


def _groups(call: Call, found: Groups, form: Form, catalog: Catalog) -> Reply:
    selection = selection_of(call.body)
    hits = [tuple(map(selection.hit, group.hits)) for group in found.groups]
    lookups = [_lookup(call.body.with_lookup, group) for group in found.groups]
    lookup = call.body.with_lookup
    elsewhere = form if lookup is None else replace(form, schema=catalog.schema(_collection(lookup)))
    told = [(group.value, row, point) for group, row, point in zip(found.groups, hits, lookups, strict=True)]
    if call.role == GRPC:
        return read_messages.groups(call, told, form, elsewhere)
    return replies.rest({"groups": [read_json.group(*each, form.schema, elsewhere.schema) for each in told]})


def _collection(lookup: models.WithLookupInterface) -> str:
    return lookup if isinstance(lookup, str) else lookup.collection


def _lookup(lookup: models.WithLookupInterface | None, group: Group) -> Shown | None:
    if group.lookup is None:
        return None
    whole = Selection(payload=True, vectors=False, default=True)
    seen = Selection(lookup.with_payload, lookup.with_vectors, True) if isinstance(lookup, models.WithLookup) else whole
    return seen.point(group.lookup)
