"""Points -> an UpsertPoints, as the bytes that are sent. Pure.

Owns: how the parts lie in each other. The SDK's messages would have an object for each level, and the floats copied from level
to level: several times what the bytes cost. Not: ids and payloads (wire.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, TypeAlias

from proxy.backends.qdrant.compile import ORDERING
from proxy.backends.qdrant.ids import mapped_id
from proxy.backends.qdrant.names import collection_name
from proxy.backends.qdrant.payload import Lengths, compile_payload
from proxy.backends.qdrant.vectors import Column, Length, compile_vectors, fill_vector
from proxy.backends.qdrant.wire import KEY, VALUE, id_field, payload_fields, tag, varint
from proxy.errors import Refused
from proxy.model.point import Point, Sparse
from proxy.model.schema import Schema
from proxy.qdrant.sdk import grpc

Piece: TypeAlias = bytes | memoryview
"""Of a message: those of all its parts one behind the other are the whole."""


_POINT: Final = tag(grpc.UpsertPoints, "points")
_VECTORS: Final = tag(grpc.PointStruct, "vectors")
_UNNAMED: Final = tag(grpc.Vectors, "vector")
_NAMED: Final = tag(grpc.Vectors, "vectors")
_ENTRY: Final = tag(grpc.NamedVectors, "vectors")
_DENSE: Final = (tag(grpc.Vector, "dense"), tag(grpc.DenseVector, "data"))

Shape: TypeAlias = tuple[str, bool, int]
"""What stands before a vector depends on: its name, whether it is dense, its bytes."""


def beginning(schema: Schema) -> bytes:
    """Of the request: all but its points."""
    request = grpc.UpsertPoints(collection_name=collection_name(schema.collection), wait=True, ordering=ORDERING)
    return bytes(request.SerializeToString())


def pieces(points: Sequence[Point], schema: Schema) -> list[Piece]:
    """What is behind the beginning. Raises Refused for what Qdrant cannot store."""
    columns = compile_vectors(points, schema)
    keep_lengths = [column for column in columns if column.lengths is not None]
    found: list[Piece] = []
    for n, point in enumerate(points):
        bare = _without_vectors(point, _lengths(keep_lengths, n) if keep_lengths else {}, schema)
        _add(found, bare, columns, n)
    return found


def _lengths(columns: list[Column], n: int) -> Lengths:
    found: dict[str, Length] = {}
    for column in columns:
        length = None if column.lengths is None else column.lengths[n]
        if length is not None:
            found[column.name] = length
    return found


def _add(found: list[Piece], bare: bytes, columns: list[Column], n: int) -> None:
    """Point `n`; `bare` is all of it but the vectors."""
    shapes: list[Shape] = []
    bodies: list[Piece] = []
    for column in columns:
        packed = column.packed[n]
        if packed is None:
            continue
        dense = isinstance(packed, memoryview)
        body: Piece = packed if isinstance(packed, memoryview) else _message(packed)
        shapes.append((column.name, dense, len(body)))
        bodies.append(body)
    heads, size = _frame(tuple(shapes))
    found.append(_POINT + varint(len(bare) + size) + bare)
    for head, body in zip(heads, bodies, strict=True):
        found.append(head)
        found.append(body)


def _without_vectors(point: Point, lengths: Lengths, schema: Schema) -> bytes:
    stored = compile_payload(point.key, point.payload, lengths, schema)
    try:
        return id_field(mapped_id(point.key, schema)) + payload_fields(stored)
    except UnicodeEncodeError as error:
        raise Refused(f"the payload of {point.key.id!r} holds a text that is no Unicode: {error.reason}") from error


def _message(packed: list[memoryview] | Sparse) -> bytes:
    vector = grpc.Vector()
    fill_vector(vector, packed)
    return bytes(vector.SerializeToString())


@lru_cache(maxsize=256)
def _frame(shapes: tuple[Shape, ...]) -> tuple[tuple[bytes, ...], int]:
    """What stands before each of a point's vectors, and the bytes of all of them with it. The points of a collection have one
    shape, as a rule."""
    if not shapes:
        return (), 0
    unnamed = len(shapes) == 1 and not shapes[0][0]
    around, head = ((_VECTORS,), _unnamed_head) if unnamed else ((_VECTORS, _NAMED), _named_head)
    heads = [head(name, _DENSE if dense else (), size) for name, dense, size in shapes]
    floats = sum(size for _, _, size in shapes)
    heads[0] = _heads(around, sum(map(len, heads)) + floats) + heads[0]
    return tuple(heads), sum(map(len, heads)) + floats


def _unnamed_head(name: str, tags: tuple[bytes, ...], size: int) -> bytes:
    """Of one vector, `size` bytes of it behind `tags`."""
    return _heads((_UNNAMED, *tags), size)


def _named_head(name: str, tags: tuple[bytes, ...], size: int) -> bytes:
    """One among others may have the empty name too."""
    text = name.encode()
    inside = KEY + varint(len(text)) + text + _heads((VALUE, *tags), size)
    return _ENTRY + varint(len(inside) + size) + inside


def _heads(tags: tuple[bytes, ...], size: int) -> bytes:
    """Of fields each of which is all that is in the one before it; `size` of what is in the last."""
    heads = b""
    for each in reversed(tags):
        heads = each + varint(size + len(heads)) + heads
    return heads
