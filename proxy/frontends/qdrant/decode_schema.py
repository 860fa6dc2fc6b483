"""Calls that change what collections are -> the model's schema writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from google.protobuf.json_format import MessageToDict
from qdrant_client import models as m
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc

from proxy.errors import AlreadyExists, NotFound, Reason, Refused
from proxy.frontends.qdrant.calls import Call, KindRefusal, found
from proxy.frontends.qdrant.routes import Action
from proxy.model.evolve import INDEXES
from proxy.model.operation import (
    AddVector,
    ChangeAliases,
    CreateCollection,
    CreateIndex,
    DropAlias,
    DropCollection,
    DropIndex,
    DropVector,
    SchemaWrite,
    SetAlias,
    UpdateSettings,
)
from proxy.model.schema import IdKind, Schema, VectorField
from proxy.ports import Catalog
from proxy.qdrant.kinds import BAD_REQUEST, FORMAT
from proxy.qdrant.schema import CONFIG, CUSTOM_SHARDING, config_of, native_of, told_index, vectors_of
from proxy.qdrant.settings import collection_config, patched, settings_of, with_vector, without_vector

_AliasChange: TypeAlias = SetAlias | DropAlias
_FIELD: Final = "field_name"
_VECTOR: Final = "vector_name"


def decode_schema(call: Call, catalog: Catalog, *, accepted: bool) -> SchemaWrite:
    """`accepted`: the primary's reply is there. Raises Refused: NotFound where the collection must be there, and as Qdrant."""
    if call.action is Action.CREATE_COLLECTION and not accepted:
        _check_new(call.collection, catalog)
    try:
        return _DECODERS[call.action](call, catalog)
    except ValueError as error:  # of the SDK's conversions: REST knows larger numbers than the messages, and negative ones
        raise KindRefusal(str(error), FORMAT) from None


# ---- collections ----


def _check_new(name: str, catalog: Catalog) -> None:
    if name in catalog.collections() or name in catalog.aliases():
        raise AlreadyExists(f"Collection `{name}` already exists!")


def _create(call: Call, _: Catalog) -> SchemaWrite:
    return CreateCollection(created(call.collection, call.body))


def created(collection: str, settings: m.CreateCollection) -> Schema:
    """As the server would tell of it, with its defaults."""
    if settings.sharding_method is m.ShardingMethod.CUSTOM:
        raise Refused(CUSTOM_SHARDING, Reason.UNSUPPORTED)
    config = RestToGrpc.convert_collection_config(collection_config(settings))
    return Schema(
        collection=collection,
        vectors=vectors_of(config.params),
        id_kind=IdKind.UINT64_OR_UUID,
        native=native_of(config, {}),
    )


def _update(call: Call, catalog: Catalog) -> SchemaWrite:
    schema = catalog.schema(found(call, catalog))
    request = RestToGrpc.convert_update_collection(call.body, schema.collection)
    patch = MessageToDict(request, preserving_proto_field_name=True)
    return UpdateSettings(schema.collection, _native(schema, patched(_settings(schema), call.body)), patch)


def _drop(call: Call, catalog: Catalog) -> SchemaWrite:
    """By its own name: an alias is none. To drop what is not there is no error."""
    if call.collection in catalog.aliases():
        raise NotFound(f"Collection `{call.collection}` doesn't exist!")
    return DropCollection(call.collection)


def _settings(schema: Schema) -> m.CreateCollection:
    return settings_of(GrpcToRest.convert_collection_config(config_of(schema)))


def _native(schema: Schema, settings: m.CreateCollection) -> dict[str, Any]:
    config = RestToGrpc.convert_collection_config(collection_config(settings))
    return {**schema.native, CONFIG: native_of(config, {})[CONFIG]}


# ---- vectors and indexes ----


def _create_vector(call: Call, catalog: Catalog) -> SchemaWrite:
    schema = catalog.schema(found(call, catalog))
    name = call.text(_VECTOR)
    native = _native(schema, with_vector(_settings(schema), name, call.body))
    return AddVector(schema.collection, _vector(name, call.body), native)


def _vector(name: str, config: m.DenseVectorNameConfig | m.SparseVectorNameConfig) -> VectorField:
    alone = with_vector(m.CreateCollection(vectors={}), name, config)
    return created("", alone).vectors[name]


def _delete_vector(call: Call, catalog: Catalog) -> SchemaWrite:
    schema = catalog.schema(found(call, catalog))
    name = call.text(_VECTOR)
    return DropVector(schema.collection, name, _native(schema, without_vector(_settings(schema), name)))


def _create_index(call: Call, catalog: Catalog) -> SchemaWrite:
    schema = catalog.schema(found(call, catalog))
    field, wanted = call.body.field_name, call.body.field_schema
    if wanted is None:
        raise KindRefusal("field_schema is required", BAD_REQUEST)
    bare = isinstance(wanted, m.PayloadSchemaType)
    kind = wanted if bare else m.PayloadSchemaType(wanted.type.value)
    told = m.PayloadIndexInfo(data_type=kind, params=None if bare else wanted, points=0)
    params = {"index_type": kind.value, INDEXES: told_index(RestToGrpc.convert_payload_index_info(told))}
    return CreateIndex(schema.collection, field, field, params)


def _delete_index(call: Call, catalog: Catalog) -> SchemaWrite:
    field = call.text(_FIELD)
    return DropIndex(found(call, catalog), field, field)


# ---- aliases ----


def _update_aliases(call: Call, catalog: Catalog) -> SchemaWrite:
    now = dict(catalog.aliases())
    changes = tuple(change for action in call.body.actions for change in _alias_changes(action, now, catalog))
    return changes[0] if len(changes) == 1 else ChangeAliases(changes)


def _alias_changes(action: Any, now: dict[str, str], catalog: Catalog) -> list[_AliasChange]:
    """`now`: the aliases before it, which become those after it."""
    match action:
        case m.CreateAliasOperation(create_alias=create):
            return [_set(create.alias_name, create.collection_name, now, catalog)]
        case m.DeleteAliasOperation(delete_alias=delete):
            now.pop(delete.alias_name, None)
            return [DropAlias(delete.alias_name)]
        case m.RenameAliasOperation(rename_alias=rename):
            old, new = rename.old_alias_name, rename.new_alias_name
            # Read again after it was done, the old name is gone and the new one is there.
            if (collection := now.pop(old, None) or now.get(new)) is None:
                raise NotFound(f"Alias {old} does not exists!")
            return [DropAlias(old), _set(new, collection, now, catalog)]
        case _:
            raise KindRefusal("an alias operation that says nothing", BAD_REQUEST)


def _set(alias: str, collection: str, now: dict[str, str], catalog: Catalog) -> SetAlias:
    if collection not in catalog.collections():
        raise NotFound(f"Collection `{collection}` doesn't exist!")
    if alias in catalog.collections():
        raise Refused(f"Collection `{alias}` already exists!")
    now[alias] = collection
    return SetAlias(alias, collection)


_DECODERS: Final[Mapping[Action, Callable[[Call, Catalog], SchemaWrite]]] = {
    Action.CREATE_COLLECTION: _create,
    Action.UPDATE_COLLECTION: _update,
    Action.DELETE_COLLECTION: _drop,
    Action.UPDATE_ALIASES: _update_aliases,
    Action.CREATE_INDEX: _create_index,
    Action.DELETE_INDEX: _delete_index,
    Action.CREATE_VECTOR: _create_vector,
    Action.DELETE_VECTOR: _delete_vector,
}
