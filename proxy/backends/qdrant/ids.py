"""Keys <-> Qdrant's ids (unsigned 64-bit numbers and UUIDs). Pure.

A collection of Qdrant's own kind keeps its ids. In any other collection:
- a number is itself, a negative one its two's complement, as Qdrant's own migration tool has it
- a UUID is itself; a text in UUID form is that UUID, any other text its UUIDv5, as that tool has it
- with a partition, a number is a UUID: 64 bits of the partition's hash, then the number from -2**63 up; so the numbers of a
  partition are in order. Anything else with a partition is the UUIDv5 of the JSON text `[partition, id]`.
There the payload fields `__id__` and `__partition__` hold the original.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from proxy.backends.originals import INT64_MAX, INT64_MIN
from proxy.backends.qdrant.names import ID, PARTITION
from proxy.errors import Refused
from proxy.model.point import Key, PointId
from proxy.model.schema import IdKind, Schema
from proxy.qdrant.sdk import grpc

_WHOLE_KEYS: Final = uuid5(NAMESPACE_URL, "vecferry:key")
"""A namespace of its own: no text id can meet a whole key."""
_NUMBERS: Final = 2**64
_MAX_UUID: Final = 2**128 - 1


def is_own_kind(schema: Schema) -> bool:
    """Whether the collection comes from Qdrant itself, so that nothing in it needs a translation."""
    return schema.id_kind is IdKind.UINT64_OR_UUID


def mapped_id(key: Key, schema: Schema) -> int | UUID:
    """Raises Refused for what cannot be an id."""
    if is_own_kind(schema):
        return _own_id(key)
    match key.id:
        case int(number):
            if not INT64_MIN <= number <= INT64_MAX:
                raise Refused(f"{number} is no 64-bit number")
            if key.partition is None:
                return number % _NUMBERS
            return UUID(int=(_hash(key.partition) << 64) + number - INT64_MIN)
        case UUID() as uuid if key.partition is None:
            return uuid
        case str(text) if key.partition is None:
            return _canonical_uuid(text) or uuid5(NAMESPACE_URL, text)
        case _:
            return uuid5(_WHOLE_KEYS, json.dumps([key.partition, str(key.id)]))


def _own_id(key: Key) -> int | UUID:
    match key:
        case Key(_, None, UUID() as uuid):
            return uuid
        case Key(_, None, int() as number) if 0 <= number < _NUMBERS:
            return number
        case _:
            raise Refused(f"{key.id!r} is no id of Qdrant: an unsigned 64-bit number or a UUID without partition is")


@lru_cache(maxsize=4096)
def _hash(partition: str) -> int:
    return uuid5(_WHOLE_KEYS, partition).int >> 64


def point_id(mapped: int | UUID) -> grpc.PointId:
    return grpc.PointId(num=mapped) if isinstance(mapped, int) else grpc.PointId(uuid=str(mapped))


def parse_id(found: grpc.PointId) -> int | UUID:
    return UUID(found.uuid) if found.HasField("uuid") else int(found.num)


def next_id(mapped: int | UUID) -> int | UUID | None:
    """The least id behind it in Qdrant's order: all numbers, then all UUIDs. None at the end."""
    if isinstance(mapped, UUID):
        return UUID(int=mapped.int + 1) if mapped.int < _MAX_UUID else None
    return mapped + 1 if mapped + 1 < _NUMBERS else UUID(int=0)


def parse_key(found: grpc.PointId, stored: Mapping[str, Any], schema: Schema) -> Key:
    """`stored`: the payload as Qdrant has it. A point that was not written by us keeps the id that it has there."""
    if is_own_kind(schema) or ID not in stored:
        return Key(schema.collection, None, _signed(parse_id(found), schema))
    original: PointId = stored[ID]
    if schema.id_kind is IdKind.UUID:
        original = UUID(str(original))
    return Key(schema.collection, stored.get(PARTITION), original)


def _signed(mapped: int | UUID, schema: Schema) -> int | UUID:
    wrapped = isinstance(mapped, int) and schema.id_kind is IdKind.INT64 and mapped > INT64_MAX
    return int(mapped) - _NUMBERS if wrapped else mapped


def _canonical_uuid(text: str) -> UUID | None:
    """Only the one form that is printed again as it was, so that two texts never share a UUID."""
    if len(text) != len("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"):
        return None
    try:
        uuid = UUID(text)
    except ValueError:
        return None
    return uuid if str(uuid) == text else None
