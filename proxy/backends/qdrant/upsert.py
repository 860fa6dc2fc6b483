"""Points -> an UpsertPoints, as the bytes that are sent. Pure.

Owns: how the parts lie in each other. The SDK's messages would have an object for each level, and the floats copied from level
to level: several times what the bytes cost. What is not a vector is left to them all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

from proxy.backends.qdrant.compile import ORDERING
from proxy.backends.qdrant.ids import fill_id, mapped_id
from proxy.backends.qdrant.names import collection_name
from proxy.backends.qdrant.payload import Lengths, compile_payload, fill
from proxy.backends.qdrant.vectors import Packed, compile_vectors, fill_vector, varint
from proxy.errors import Refused
from proxy.model.point import Point, Sparse
from proxy.model.schema import Schema
from proxy.qdrant.sdk import grpc

Piece: TypeAlias = bytes | memoryview
"""Of a message: those of all its parts one behind the other are the whole."""


def _tag(message: Any, field: str) -> bytes:
    """Of a field that has a length: a message, a text, packed numbers."""
    return varint(message.DESCRIPTOR.fields_by_name[field].number << 3 | 2)


_POINT: Final = _tag(grpc.UpsertPoints, "points")
_VECTORS: Final = _tag(grpc.PointStruct, "vectors")
_UNNAMED: Final = _tag(grpc.Vectors, "vector")
_NAMED: Final = _tag(grpc.Vectors, "vectors")
_ENTRY: Final = _tag(grpc.NamedVectors, "vectors")
_NAME: Final = b"\x0a"
_VALUE: Final = b"\x12"
"""A map's entry is a message of two fields."""
_DENSE: Final = (_tag(grpc.Vector, "dense"), _tag(grpc.DenseVector, "data"))


def beginning(schema: Schema) -> bytes:
    """Of the request: all but its points."""
    request = grpc.UpsertPoints(collection_name=collection_name(schema.collection), wait=True, ordering=ORDERING)
    return bytes(request.SerializeToString())


def pieces(points: Sequence[Point], schema: Schema) -> list[Piece]:
    """What is behind the beginning. Raises Refused for what Qdrant cannot store."""
    found: list[Piece] = []
    for point, (vectors, lengths) in zip(points, compile_vectors(points, schema), strict=True):
        bare = _without_vectors(point, lengths, schema)
        packed = _vectors(vectors)
        found.append(_POINT + varint(len(bare) + sum(map(len, packed))) + bare)
        found += packed
    return found


def _without_vectors(point: Point, lengths: Lengths, schema: Schema) -> bytes:
    struct = grpc.PointStruct()
    fill_id(struct.id, mapped_id(point.key, schema))
    payload = struct.payload
    try:
        for name, value in compile_payload(point.key, point.payload, lengths, schema).items():
            fill(payload[name], value)
    except UnicodeEncodeError as error:
        raise Refused(f"the payload of {point.key.id!r} holds a text that is no Unicode: {error.reason}") from error
    return bytes(struct.SerializeToString())


def _vectors(vectors: dict[str, Packed]) -> list[Piece]:
    if not vectors:
        return []
    found: list[Piece] = []
    for name, packed in vectors.items():
        body, tags = (packed, _DENSE) if isinstance(packed, memoryview) else (_message(packed), ())
        found += (_head(name, tags, len(body)), body)
    around = (_VECTORS,) if vectors.keys() == {""} else (_VECTORS, _NAMED)
    return [_heads(around, sum(map(len, found))), *found]


def _message(packed: list[memoryview] | Sparse) -> bytes:
    vector = grpc.Vector()
    fill_vector(vector, packed)
    return bytes(vector.SerializeToString())


@lru_cache(maxsize=256)
def _head(name: str, tags: tuple[bytes, ...], size: int) -> bytes:
    """Of one vector, `size` bytes of it behind `tags`; those of a collection differ by name only, as a rule."""
    if not name:
        return _heads((_UNNAMED, *tags), size)
    text = name.encode()
    inside = _NAME + varint(len(text)) + text + _heads((_VALUE, *tags), size)
    return _ENTRY + varint(len(inside) + size) + inside


@lru_cache(maxsize=256)
def _heads(tags: tuple[bytes, ...], size: int) -> bytes:
    """Of fields each of which is all that is in the one before it; `size` of what is in the last."""
    heads = b""
    for tag in reversed(tags):
        heads = tag + varint(size + len(heads)) + heads
    return heads
