"""How a client's collection lies on Milvus: its schema, names, ids and points as rows that Milvus holds, and back. Pure.

A collection of Milvus's own kind is what it is. One of another product is translated (`foreign_*.py`): then `stored` is the
schema in Milvus's own terms, and every request is made from it and from stored points alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from proxy.backends.milvus.expr import fields_of
from proxy.backends.milvus.foreign_filter import stored_filter
from proxy.backends.milvus.foreign_ids import parse_id, stored_id
from proxy.backends.milvus.foreign_large import LARGE, REST, fitting, parse_large
from proxy.backends.milvus.foreign_names import EXACT, PayloadNames, presence_column, vector_column
from proxy.backends.milvus.foreign_payload import parse_payload, stored_payload
from proxy.backends.milvus.foreign_schema import NO_VECTOR, is_foreign, is_loose, stored_schema
from proxy.backends.milvus.foreign_vectors import Presence, empty, filler, narrowed, presence_of
from proxy.backends.milvus.literals import quoted
from proxy.errors import Refused
from proxy.model.distance import check_dimension
from proxy.model.filter import EVERYTHING, AnyOf, Equals, Filter, Not
from proxy.model.operation import CreateIndex, DropIndex, Hit, Search
from proxy.model.point import Key, Point, PointId, Sparse, Value, Vector
from proxy.model.schema import FieldType, Schema, VectorField, VectorKind

_PRESENT: Final = int(Presence.PRESENT)
_EMPTY: Final = int(Presence.EMPTY)
_INEXACT: Final = frozenset({FieldType.JSON, FieldType.FLOAT32, FieldType.FLOAT64, FieldType.ARRAY})
"""Columns that may be given what they cannot hold exactly."""


@dataclass(frozen=True, slots=True)
class Landing:
    """`columns`: the client's vector -> Milvus's field; `guards`: to the column beside that says whether it is there."""

    schema: Schema
    stored: Schema
    columns: Mapping[str, str]
    guards: Mapping[str, str]
    usual: Mapping[str, Any]
    """Columns beside the vectors' and the payload's own -> what nearly all rows have there. Their names start with `_`."""
    names: PayloadNames

    @property
    def may_have_large(self) -> bool:
        """Whether a payload may be too large for the dynamic field."""
        return REST in self.usual

    @property
    def foreign(self) -> bool:
        return is_foreign(self.schema)

    # ---- towards Milvus ----

    def stored_ids(self, ids: Iterable[PointId]) -> list[int | str]:
        """Without those that no point of the collection can have."""
        return [found for each in ids if (found := stored_id(each, self.schema.id_kind)) is not None]

    def stored_keys(self, keys: Iterable[Key]) -> list[Key]:
        ids = ((key, stored_id(key.id, self.schema.id_kind)) for key in keys)
        return [key._replace(id=found) for key, found in ids if found is not None]

    def stored_points(self, points: Sequence[Point]) -> Sequence[Point]:
        """Raises Refused for what the collection cannot hold."""
        return [self._stored_point(point) for point in points] if self.foreign else points

    def stored_filter(self, condition: Filter) -> Filter:
        return stored_filter(condition, self.schema.id_kind, self.names, self._has) if self.foreign else condition

    def unusual(self, column: str) -> Filter:
        return LARGE if column == REST else Not(Equals((column,), _PRESENT))

    def trusted(self, condition: Filter, using: str = "") -> tuple[str, ...]:
        """The columns on which a read by that filter and that vector relies to be usual."""
        guards = (self.guards[using],) if using in self.guards else ()
        return (*guards, REST) if self.may_have_large and fields_of(condition) else guards

    def _has(self, vector: str) -> Filter:
        if vector not in self.columns:
            return AnyOf(())
        if vector not in self.guards:
            return EVERYTHING
        return Not(Equals((self.guards[vector],), int(Presence.ABSENT)))

    def stored_fields(self, fields: Iterable[str] | None, vectors: Iterable[str] | None) -> tuple[str, ...] | None:
        """The fields of the rows from which the client's `fields` and `vectors` can be told; None: all."""
        if fields is None:
            return None
        fields = tuple(fields)
        if not self.foreign:
            return fields
        guards = [column for name, column in self.guards.items() if vectors is None or name in vectors]
        exact = [EXACT] if self.stored.dynamic and any(map(self._may_be_inexact, fields)) else []
        rest = [REST] if self.may_have_large and fields else []
        return (*map(self.names.stored, fields), *guards, *exact, *rest)

    def stored_vectors(self, names: Iterable[str] | None) -> tuple[str, ...]:
        asked = self.columns if names is None else names
        return tuple(self.columns[name] for name in asked if name in self.columns)

    def stored_search(self, search: Search) -> Search:
        """With the field in place of the vector; of another product's hints only HNSW's `ef` has a meaning here."""
        if not self.foreign:
            return search
        ef = search.hints.get("ef") or search.hints.get("hnsw_ef")
        return replace(search, using=self.columns[search.using], hints={"ef": ef} if ef else {})

    # ---- back ----

    def point(self, row: Point) -> Point:
        if not self.foreign:
            return row
        key = Key(self.schema.collection, row.key.partition, parse_id(row.key.id, self.schema.id_kind))
        large = row.payload.get(REST) if self.may_have_large else None
        if isinstance(large, list) and large:
            return Point(key, self._vectors(row), parse_large(large))
        return Point(key, self._vectors(row), parse_payload(row.payload, self.names, self.usual))

    def hit(self, row: Hit) -> Hit:
        point = self.point(row.point)
        return Hit(point.key, row.value, point)

    def _vectors(self, row: Point) -> dict[str, Vector]:
        found: dict[str, Vector] = {}
        for name, column in self.columns.items():
            if (vector := row.vectors.get(column)) is None:
                continue
            presence = row.payload.get(self.guards[name], _PRESENT) if name in self.guards else _PRESENT
            if presence == _PRESENT:
                found[name] = narrowed(vector, self.schema.vectors[name])
            elif presence == _EMPTY:
                found[name] = empty()
        return found

    def _stored_point(self, point: Point) -> Point:
        identity = stored_id(point.key.id, self.schema.id_kind)
        if identity is None:
            raise Refused(f"{point.key.id!r} is no id of collection {self.schema.collection}")
        if not point.vectors.keys() <= self.columns.keys():
            unknown = point.vectors.keys() - self.columns.keys()
            raise Refused(f"collection {self.schema.collection} has no vector {quoted(min(unknown))}")
        self._check_fields(point.payload)
        guards, vectors = self._stored_vectors(point)
        payload = stored_payload(point.payload, self.names)
        if self.may_have_large:
            payload = fitting(payload, point.payload)
        payload.update(guards)
        return Point(Key(point.key.collection, point.key.partition, identity), vectors, payload)

    def _stored_vectors(self, point: Point) -> tuple[dict[str, int], dict[str, Vector]]:
        vectors: dict[str, Vector] = {} if self.columns else {NO_VECTOR.name: filler(NO_VECTOR)}
        guards: dict[str, int] = {}
        for name, column in self.columns.items():
            vector, field = point.vectors.get(name), self.schema.vectors[name]
            presence = presence_of(vector)
            if name in self.guards:
                guards[self.guards[name]] = int(presence)
            elif presence is Presence.EMPTY:
                raise Refused(f"Milvus holds no sparse vector without components (vector {quoted(name)})")
            if vector is not None and presence is Presence.PRESENT:
                _check_vector(self.schema.collection, field, vector)
                vectors[column] = vector
            elif name in self.guards:
                vectors[column] = filler(self.stored.vectors[column])
        return guards, vectors

    def _may_be_inexact(self, field: str) -> bool:
        return field not in self.stored.fields or self.stored.fields[field].type in _INEXACT

    def _check_fields(self, payload: Mapping[str, Value]) -> None:
        if not self.schema.dynamic and (undeclared := payload.keys() - self.schema.fields.keys()):
            raise Refused(f"collection {self.schema.collection} has no payload field {quoted(min(undeclared))}")


def landing_of(schema: Schema, *, rename: bool = False) -> Landing:
    """`rename`: the client's product is not Milvus, so the collection's name may be one that Milvus does not take."""
    if not is_foreign(schema):
        own = {name: name for name in schema.vectors}
        return Landing(schema, schema, own, {}, {}, PayloadNames({}))
    columns = {name: vector_column(name) for name in schema.vectors}
    guarded = columns if is_loose(schema) or len(columns) > 1 else {}
    guards = {name: presence_column(column) for name, column in guarded.items()}
    stored = stored_schema(schema, columns, guards, rename=rename)
    usual: dict[str, Any] = dict.fromkeys(guards.values(), _PRESENT) | ({REST: []} if REST in stored.fields else {})
    names = PayloadNames.beside((stored.id_name, *stored.vectors, *usual))
    return Landing(schema, stored, columns, guards, usual, names)


def stored_index(change: CreateIndex | DropIndex, landing: Landing) -> CreateIndex | DropIndex | None:
    """None where the field is no column: then an index would change no answer."""
    if not landing.foreign:
        return change
    column = landing.columns.get(change.field, change.field)
    if column not in landing.stored.vectors and column not in landing.stored.fields:
        return None
    return replace(change, collection=landing.stored.collection, field=column)


def _check_vector(collection: str, field: VectorField, vector: Vector) -> None:
    """A row of another length would shift all that follow in its column. Raises Refused."""
    if isinstance(vector, Sparse) != (field.kind is VectorKind.SPARSE):
        raise Refused(f"vector {quoted(field.name)} is {field.kind}, and was given another kind")
    if not isinstance(vector, Sparse):
        check_dimension(collection, field, vector)
