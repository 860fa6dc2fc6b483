"""Random requests by their types: of the SDK's REST models as JSON, of its messages as protobuf.

Names, sizes and values come from a small stock, so that many requests have a meaning; `spoiled` takes it away again.
"""

from __future__ import annotations

import datetime
import types
from collections.abc import Callable, Mapping
from enum import Enum
from random import Random
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin
from uuid import UUID

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from pydantic import BaseModel
from qdrant_client.http.models import models as m

PLAIN: Final = "plain"
SHELF: Final = "shelf"
SIZE: Final = 4
DENSE: Final = "dense"
SPARSE: Final = "sparse"
COLLECTIONS: Final = (PLAIN, PLAIN, SHELF, SHELF, SHELF, "alias", "absent")
VECTORS: Final = (DENSE, DENSE, SPARSE, "multi", "", "nothing")
KEYS: Final = (
    "n",
    "color",
    "tags",
    "tags[]",
    "inner.a",
    "list[].x",
    '"odd key"',
    "text",
    "when",
    "place",
    "n",
    "color",
    "a[",
    "",
)
UUIDS: Final = (str(UUID(int=7)), str(UUID(int=9)), "6e2a1c3b00004000800000000000000b")
WORDS: Final = ("red", "blue", "a", "größe", "1", "", "x" * 300, "2024-02-29T12:00:00Z", *UUIDS)
WHOLE: Final = (1, 2, 2, 3, 3, 5, 10, 0, -1, 255, 2**31, 2**53, 2**63 - 1, 2**64 - 1)
REAL: Final = (0.0, 0.5, 1.0, -1.0, 0.1, 1e-7, 1e15, 1e300, -0.0)
JUNK: Final = (None, "", "x", -1, 0, 2**64 - 1, 1e300, True, [], {}, [[]], [None], {"": None}, {"key": {}})
BY_NAME: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("collection_name", "collection", "lookup_from", "with_lookup"), COLLECTIONS),
    **dict.fromkeys(("using", "vector_name", "name", "names", "with_vector", "with_vectors"), VECTORS),
    "vectors_selector": VECTORS,
    **dict.fromkeys(("key", "keys", "group_by", "field_name", "include", "exclude", "with_payload", "is_null"), KEYS),
    **dict.fromkeys(("alias_name", "old_alias_name", "new_alias_name"), ("alias", "other", "plain", "")),
}
RARE: Final = frozenset(
    {"shard_key", "shard_key_selector", "sharding_method", "lookup_from", "order_by", "memory", "prefetch", "quantization"}
)
"""Fields that are mostly a refusal."""
RARELY: Final = 0.04
DEEP: Final = 6


def invent(chance: Random, kind: Any, name: str = "", depth: int = 0) -> Any:
    """JSON of a value of this type; `name`: of the field that it is for."""
    origin, given = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return invent(chance, given[0], name, depth)
    if origin in (Union, types.UnionType):
        return invent(chance, _arm(chance, given, depth), name, depth)
    if origin is Literal:
        return chance.choice(given)
    if origin is list:
        return [invent(chance, given[0], name, depth + 1) for _ in range(_length(chance, given[0], depth))]
    if origin is dict:
        return {key: invent(chance, given[1], name, depth + 1) for key in _keys(chance, name)}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return chance.choice(list(kind)).value
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _model(chance, kind, depth)
    return _scalar(chance, kind, name)


def _model(chance: Random, kind: type[BaseModel], depth: int) -> dict[str, Any]:
    often = 0 if depth >= DEEP else 0.35 if depth < 2 else 0.12
    fields = kind.model_fields.items()
    there = [(name, field) for name, field in fields if field.is_required() or chance.random() < _often(name, often)]
    if kind is m.FieldCondition or (not there and depth < DEEP):
        there = [*there, chance.choice([(name, field) for name, field in fields if name != "key"])]
    return {field.alias or name: invent(chance, field.annotation, name, depth + 1) for name, field in dict(there).items()}


def _often(name: str, often: float) -> float:
    return min(RARELY, often) if name in RARE else often


def _arm(chance: Random, arms: tuple[Any, ...], depth: int) -> Any:
    if type(None) in arms and chance.random() < 0.95:
        arms = tuple(arm for arm in arms if arm is not type(None))
    flat = [arm for arm in arms if not (isinstance(arm, type) and issubclass(arm, BaseModel))]
    return chance.choice(flat if depth >= DEEP and flat else arms)


def _length(chance: Random, element: Any, depth: int) -> int:
    while get_origin(element) is Annotated:
        element = get_args(element)[0]
    if element is float:
        return SIZE if chance.random() < 0.9 else chance.randint(0, SIZE + 1)
    return chance.choice((0, 1, 1, 2, 2, 3) if depth < DEEP else (0, 1))


def _keys(chance: Random, name: str) -> set[str]:
    stock = VECTORS if "vector" in name else KEYS
    return {chance.choice(stock) for _ in range(chance.randint(0, 3))}


def _scalar(chance: Random, kind: Any, name: str) -> Any:
    if kind is bool:
        return chance.random() < 0.5
    if kind is int:
        return chance.choice(WHOLE if chance.random() < 0.1 else WHOLE[:7])
    if kind is float:
        return chance.choice(REAL if chance.random() < 0.1 else REAL[:5])
    if kind in (datetime.datetime, datetime.date):
        return chance.choice(("2024-02-29T12:00:00Z", "2024-02-29", "2024-02-29 12:00:00+01:00"))
    if kind is UUID:
        return chance.choice(UUIDS)
    if kind is Any or kind is object:
        return chance.choice((*JUNK, *WORDS))
    return chance.choice(BY_NAME.get(name, WORDS))


def spoiled(chance: Random, tree: Any) -> Any:
    """With something else at one place of it, or something less, or more."""
    if not isinstance(tree, dict | list) or not tree or chance.random() < 0.2:
        return chance.choice(JUNK)
    places = list(tree) if isinstance(tree, dict) else range(len(tree))
    made, place = tree.copy(), chance.choice(places)
    match chance.randrange(5):
        case 0:
            del made[place]
        case 1 if isinstance(made, dict):
            made["unknown"] = chance.choice(JUNK)
        case _:
            made[place] = spoiled(chance, tree[place])
    return made


# ---- protobuf ----

_WHOLE_SIZES: Final = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}


def message(chance: Random, descriptor: Any, depth: int = 0) -> Any:
    """Of this kind, with one field of each of its choices or none."""
    made = GetMessageClass(descriptor)()
    for field in _chosen(chance, descriptor, depth):
        _set(chance, made, field, depth)
    return made


def _chosen(chance: Random, descriptor: Any, depth: int) -> list[Any]:
    names = [field for field in descriptor.fields if field.name == "collection_name"]
    if depth >= DEEP:
        return names
    optional = 0.3 if depth < 2 else 0.15
    groups = [group for group in descriptor.oneofs if len(group.fields) > 1]
    single = [field for field in descriptor.fields if field.containing_oneof not in groups]
    there = [field for field in single if chance.random() < _often(field.name, optional if field.containing_oneof else 0.85)]
    return [*names, *there, *(chance.choice(group.fields) for group in groups)]


def _set(chance: Random, made: Any, field: Any, depth: int) -> None:
    if _is_map(field):
        for key in _keys(chance, field.name):
            _put(chance, getattr(made, field.name), key, field.message_type.fields_by_name["value"], depth)
    elif field.label == FieldDescriptor.LABEL_REPEATED:
        kind = float if field.cpp_type == FieldDescriptor.CPPTYPE_FLOAT else Any
        values = [_value(chance, field, depth) for _ in range(_length(chance, kind, depth))]
        getattr(made, field.name).extend(values)
    elif field.message_type is not None:
        getattr(made, field.name).CopyFrom(_value(chance, field, depth))
    else:
        setattr(made, field.name, _value(chance, field, depth))


def _is_map(field: Any) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _put(chance: Random, entries: Any, key: str, field: Any, depth: int) -> None:
    if field.message_type is not None:
        entries[key].CopyFrom(_value(chance, field, depth))
    else:
        entries[key] = _value(chance, field, depth)


def _value(chance: Random, field: Any, depth: int) -> Any:
    if field.message_type is not None:
        return message(chance, field.message_type, depth + 1)
    if field.enum_type is not None:
        return chance.choice(field.enum_type.values).number
    if field.cpp_type in _WHOLE_SIZES:
        low, high = _WHOLE_SIZES[field.cpp_type]
        return min(max(low, _scalar(chance, int, field.name)), high)
    return _SCALARS[field.cpp_type](chance, field)


_SCALARS: Final[Mapping[int, Callable[[Random, Any], Any]]] = {
    FieldDescriptor.CPPTYPE_BOOL: lambda chance, _: _scalar(chance, bool, ""),
    FieldDescriptor.CPPTYPE_FLOAT: lambda chance, _: min(_scalar(chance, float, ""), 3e38),
    FieldDescriptor.CPPTYPE_DOUBLE: lambda chance, _: _scalar(chance, float, ""),
    FieldDescriptor.CPPTYPE_STRING: lambda chance, field: _text(chance, field),
}


def _text(chance: Random, field: Any) -> Any:
    if field.type == FieldDescriptor.TYPE_BYTES:
        return b"x"
    return chance.choice(UUIDS) if field.name == "uuid" else _scalar(chance, str, field.name)
