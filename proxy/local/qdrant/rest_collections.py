"""What the REST calls on collections mean: a table of method and path, and a function for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter
from qdrant_client import models

from proxy.local.qdrant import named_vectors
from proxy.local.qdrant.collection import FieldSchema, create_index, delete_index
from proxy.local.qdrant.errors import BAD_REQUEST, Fault
from proxy.local.qdrant.rest_call import PREFIX, Call, Handler, done
from proxy.local.qdrant.rest_json import parse

_CREATE: Final = TypeAdapter(models.CreateCollection)
_UPDATE: Final = TypeAdapter(models.UpdateCollection)
_ALIASES: Final = TypeAdapter(models.ChangeAliasesOperation)
_INDEX: Final = TypeAdapter(models.CreateFieldIndex)
_VECTOR: Final[TypeAdapter[models.VectorNameConfig]] = TypeAdapter(models.VectorNameConfig)


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
    return _saved(call, named_vectors.create_vector(call.collection, call.path["vector"], parse(_VECTOR, call.body)))


def _delete_vector(call: Call) -> Any:
    return _saved(call, named_vectors.delete_vector(call.collection, call.path["vector"]))


def _saved(call: Call, number: int) -> Any:
    call.registry.save()
    return done(call, number)


COLLECTIONS: Final[Mapping[tuple[str, str], Handler]] = {
    ("GET", "/collections"): _list,
    ("POST", "/collections/aliases"): _change_aliases,
    ("GET", "/aliases"): lambda call: {"aliases": call.registry.aliases()},
    ("GET", "/cluster"): lambda _: {"status": "disabled"},
    ("GET", PREFIX): lambda call: call.collection.describe(),
    ("PUT", PREFIX): _create,
    ("PATCH", PREFIX): _patch,
    ("DELETE", PREFIX): lambda call: call.registry.drop(call.path["name"]),
    ("GET", f"{PREFIX}/exists"): lambda call: {"exists": call.registry.exists(call.path["name"])},
    ("GET", f"{PREFIX}/aliases"): lambda call: {"aliases": call.registry.aliases(call.path["name"])},
    ("PUT", f"{PREFIX}/index"): _create_index,
    ("DELETE", f"{PREFIX}/index/{{field}}"): _delete_index,
    ("PUT", f"{PREFIX}/vectors/{{vector}}"): _create_vector,
    ("DELETE", f"{PREFIX}/vectors/{{vector}}"): _delete_vector,
}
