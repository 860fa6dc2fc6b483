"""Collections, indexes and aliases as an application on Qdrant keeps them, with the official client.

What the port wants to be idempotent and the product is not, such an application looks for before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from conformance.drivers.qdrant_errors import asked
from conformance.drivers.qdrant_filter import key_of
from qdrant_client import AsyncQdrantClient, models

from proxy.errors import AlreadyExists, Refused
from proxy.model.operation import (
    ChangeAliases,
    CreateCollection,
    CreateIndex,
    DropAlias,
    DropCollection,
    DropIndex,
    SchemaWrite,
    SetAlias,
    UpdateSettings,
)
from proxy.model.schema import Field, FieldType, IdKind, Metric, Schema, VectorField, VectorKind
from proxy.ports import Catalog

_DISTANCES: Final = {
    Metric.COSINE: models.Distance.COSINE,
    Metric.DOT: models.Distance.DOT,
    Metric.EUCLIDEAN: models.Distance.EUCLID,
    Metric.MANHATTAN: models.Distance.MANHATTAN,
}
_METRICS: Final = {distance: metric for metric, distance in _DISTANCES.items()}
_INDEXES: Final = {
    FieldType.BOOL: models.PayloadSchemaType.BOOL,
    FieldType.INT64: models.PayloadSchemaType.INTEGER,
    FieldType.FLOAT64: models.PayloadSchemaType.FLOAT,
    FieldType.STRING: models.PayloadSchemaType.KEYWORD,
}


class Collections:
    def __init__(self, client: AsyncQdrantClient, catalog: Catalog) -> None:
        self._client = client
        self._catalog = catalog

    async def names(self) -> tuple[str, ...]:
        return tuple(each.name for each in (await asked(self._client.get_collections())).collections)

    async def aliases(self) -> Mapping[str, str]:
        found = await asked(self._client.get_aliases())
        return {each.alias_name: each.collection_name for each in found.aliases}

    async def describe(self, collection: str) -> Schema:
        params = (await asked(self._client.get_collection(collection))).config.params
        assert params.vectors is None or isinstance(params.vectors, dict)
        vectors = {name: _field_of(name, found) for name, found in (params.vectors or {}).items()}
        sparse = {name: VectorField(name, VectorKind.SPARSE, 0, Metric.DOT) for name in params.sparse_vectors or {}}
        return Schema(collection, vectors | sparse, id_kind=IdKind.UINT64_OR_UUID)

    async def apply(self, change: SchemaWrite) -> None:
        match change:
            case CreateCollection(schema):
                await self._create(schema)
            case DropCollection(collection):
                await asked(self._client.delete_collection(collection))
            case SetAlias() | DropAlias() | ChangeAliases():
                changes = change.changes if isinstance(change, ChangeAliases) else (change,)
                await asked(self._client.update_collection_aliases([_alias_operation(each) for each in changes]))
            case CreateIndex():
                await self._index(change)
            case DropIndex(collection, field):
                await asked(self._client.delete_payload_index(collection, key_of((field,))))
            case UpdateSettings(collection, _, patch):
                await asked(self._client.update_collection(collection, **_settings(patch)))
            case _:
                raise Refused(f"no call of Qdrant's client is {type(change).__name__}")

    async def _create(self, schema: Schema) -> None:
        try:
            await asked(self._client.create_collection(schema.collection, **_vectors_config(schema)))
        except AlreadyExists:
            if _said((await self.describe(schema.collection)).vectors) != _said(schema.vectors):
                raise
        for field in schema.fields.values():
            if (kind := _index_of(field)) is not None:
                await asked(self._client.create_payload_index(schema.collection, key_of((field.name,)), kind))

    async def _index(self, change: CreateIndex) -> None:
        schema = self._catalog.schema(change.collection)
        if change.field in schema.vectors:
            raise Refused("a vector of Qdrant has its metric and its index from its collection's creation on")
        field = schema.fields.get(change.field)
        kind = _index_of(field) if field is not None else models.PayloadSchemaType(change.params["index_type"])
        await asked(self._client.create_payload_index(change.collection, key_of((change.field,)), kind))


def _vectors_config(schema: Schema) -> dict[str, Any]:
    sparse = {name: models.SparseVectorParams() for name, each in schema.vectors.items() if each.kind is VectorKind.SPARSE}
    dense = {name: _params_of(each) for name, each in schema.vectors.items() if each.kind is not VectorKind.SPARSE}
    return {"vectors_config": dense} | ({"sparse_vectors_config": sparse} if sparse else {})


def _params_of(vector: VectorField) -> models.VectorParams:
    if vector.metric is None:
        raise Refused("a collection of Qdrant is made with its metrics")
    several = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
    is_multi = vector.kind is VectorKind.MULTI
    distance = _DISTANCES[vector.metric]
    return models.VectorParams(size=vector.dim, distance=distance, multivector_config=several if is_multi else None)


def _field_of(name: str, found: models.VectorParams) -> VectorField:
    kind = VectorKind.DENSE if found.multivector_config is None else VectorKind.MULTI
    return VectorField(name, kind, found.size, _METRICS[found.distance])


def _said(vectors: Mapping[str, VectorField]) -> dict[str, tuple[VectorKind, int, Metric | None]]:
    return {name: (vector.kind, vector.dim, vector.metric) for name, vector in vectors.items()}


def _index_of(field: Field) -> models.PayloadSchemaType | None:
    return _INDEXES.get(field.element or field.type)


def _alias_operation(change: SetAlias | DropAlias) -> models.AliasOperations:
    match change:
        case SetAlias(alias, collection):
            create = models.CreateAlias(alias_name=alias, collection_name=collection)
            return models.CreateAliasOperation(create_alias=create)
        case DropAlias(alias):
            return models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))


def _settings(patch: Mapping[str, Any]) -> dict[str, Any]:
    return {"hnsw_config": models.HnswConfigDiff(**patch["hnsw_config"])}
