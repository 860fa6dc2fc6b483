"""Ids and payloads of points as the bytes of their messages, by hand. Pure.

The SDK's message of a point has an object for each id, each value and the map between them, which is most of what a point of an
upsert costs. Owns: numbers, texts and tags as protobuf has them. Not: what is stored of a payload (payload.py), vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from struct import Struct
from typing import Any, Final
from uuid import UUID

from proxy.backends.qdrant.payload import fill
from proxy.qdrant.sdk import grpc

_DOUBLE: Final = Struct("<d")
_SHORT: Final = tuple(bytes([number]) for number in range(128))
_UNSIGNED: Final = 2**64 - 1


def varint(number: int) -> bytes:
    """Of an unsigned number."""
    if number < 128:
        return _SHORT[number]
    if number < 2**14:
        return bytes((number & 127 | 128, number >> 7))
    groups = bytearray()
    while number > 127:
        groups.append(number & 127 | 128)
        number >>= 7
    groups.append(number)
    return bytes(groups)


def tag(message: Any, field: str, wire_type: int = 2) -> bytes:
    """2: a field that has a length: a message, a text, packed numbers."""
    return varint(message.DESCRIPTOR.fields_by_name[field].number << 3 | wire_type)


KEY: Final = b"\x0a"
VALUE: Final = b"\x12"
"""A map's entry is a message of two fields."""
_ID: Final = tag(grpc.PointStruct, "id")
_NUM: Final = tag(grpc.PointId, "num", 0)
_UUID: Final = _ID + varint(38) + tag(grpc.PointId, "uuid") + varint(36)
"""Before a UUID's text, which is always as long."""
_PAYLOAD: Final = tag(grpc.PointStruct, "payload")
_TEXT: Final = tag(grpc.Value, "string_value")
_INTEGER: Final = tag(grpc.Value, "integer_value", 0)
_REAL: Final = tag(grpc.Value, "double_value", 1)
_TRUE: Final = tag(grpc.Value, "bool_value", 0) + b"\x01"
_FALSE: Final = tag(grpc.Value, "bool_value", 0) + b"\x00"
_NULL: Final = tag(grpc.Value, "null_value", 0) + b"\x00"


def id_field(mapped: int | UUID) -> bytes:
    """Of a point."""
    if isinstance(mapped, int):
        number = _NUM + varint(mapped)
        return _ID + varint(len(number)) + number
    return _UUID + str(mapped).encode()


def payload_fields(stored: Mapping[str, Any]) -> bytes:
    """Of a point: one for each JSON value. Raises UnicodeEncodeError."""
    fields = b""
    for name, value in stored.items():
        found = _value(value)
        key = _key(name)
        size = varint(len(found))
        fields += _PAYLOAD + varint(len(key) + len(size) + len(found)) + key + size + found
    return fields


@lru_cache(maxsize=1024)
def _key(name: str) -> bytes:
    text = name.encode()
    return KEY + varint(len(text)) + text + VALUE


def _value(value: Any) -> bytes:
    kind = type(value)
    if kind is str:
        text = value.encode()
        return _TEXT + varint(len(text)) + bytes(text)
    if kind is int:
        return _INTEGER + varint(value & _UNSIGNED)
    if kind is float:
        return _REAL + _DOUBLE.pack(value)
    if kind is bool:
        return _TRUE if value else _FALSE
    if value is None:
        return _NULL
    message = grpc.Value()
    fill(message, value)
    return bytes(message.SerializeToString())
