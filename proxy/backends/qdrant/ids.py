"""Keys <-> Qdrant's ids (unsigned 64-bit numbers and UUIDs). Pure.

A collection of Qdrant's own kind keeps its ids. In any other collection a number from 0 and a UUID stay what they are;
a text in UUID form is that UUID, any other text its UUIDv5, as Qdrant's own migration tool does; whatever has a partition,
and a negative number, is the UUIDv5 of the JSON text `[partition, id]`. There the payload fields `__id__` and `__partition__`
hold the original.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from qdrant_client import grpc

from proxy.backends.qdrant.names import ID, PARTITION
from proxy.errors import Refused
from proxy.model.point import Key, PointId
from proxy.model.schema import IdKind, Schema

_WHOLE_KEYS: Final = uuid5(NAMESPACE_URL, "vecferry:key")
"""A namespace of its own: no text id can meet a whole key."""
_MAX_NUMBER: Final = 2**64 - 1
_MAX_UUID: Final = 2**128 - 1


def is_own_kind(schema: Schema) -> bool:
    """Whether the collection comes from Qdrant itself, so that nothing in it needs a translation."""
    return schema.id_kind is IdKind.UINT64_OR_UUID


def mapped_id(key: Key, schema: Schema) -> int | UUID:
    match key:
        case Key(_, None, UUID() as uuid):
            return uuid
        case Key(_, None, int() as number) if 0 <= number <= _MAX_NUMBER:
            return number
        case _ if is_own_kind(schema):
            raise Refused(f"{key.id!r} is no id of Qdrant: an unsigned 64-bit number or a UUID without partition is")
        case Key(_, None, str() as text):
            return _canonical_uuid(text) or uuid5(NAMESPACE_URL, text)
        case _:
            return uuid5(_WHOLE_KEYS, json.dumps([key.partition, key.id if isinstance(key.id, int) else str(key.id)]))


def point_id(mapped: int | UUID) -> grpc.PointId:
    return grpc.PointId(num=mapped) if isinstance(mapped, int) else grpc.PointId(uuid=str(mapped))


def parse_id(found: grpc.PointId) -> int | UUID:
    return UUID(found.uuid) if found.HasField("uuid") else int(found.num)


def next_id(mapped: int | UUID) -> int | UUID | None:
    """The least id behind it in Qdrant's order: all numbers, then all UUIDs. None at the end."""
    if isinstance(mapped, UUID):
        return UUID(int=mapped.int + 1) if mapped.int < _MAX_UUID else None
    return mapped + 1 if mapped < _MAX_NUMBER else UUID(int=0)


def parse_key(found: grpc.PointId, stored: Mapping[str, Any], schema: Schema) -> Key:
    """`stored`: the payload as Qdrant has it. A point that was not written by us keeps the id that it has there."""
    if is_own_kind(schema) or ID not in stored:
        return Key(schema.collection, None, parse_id(found))
    original: PointId = stored[ID]
    if schema.id_kind is IdKind.UUID:
        original = UUID(str(original))
    return Key(schema.collection, stored.get(PARTITION), original)


def _canonical_uuid(text: str) -> UUID | None:
    """Only the one form that is printed again as it was, so that two texts never share a UUID."""
    if len(text) != len("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"):
        return None
    try:
        uuid = UUID(text)
    except ValueError:
        return None
    return uuid if str(uuid) == text else None
