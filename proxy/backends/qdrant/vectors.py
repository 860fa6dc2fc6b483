"""Vectors <-> Qdrant's. Pure.

All dense vectors are stored as float32, which holds every value of float16, bfloat16, int8 and uint8. Qdrant keeps only the
direction of cosine vectors: for a foreign collection their lengths go into the payload (`__vecferry__`, `lengths`), and
come back to within float32's rounding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from proxy.backends.qdrant.ids import is_own_kind
from proxy.backends.qdrant.payload import Lengths
from proxy.backends.qdrant.wire import varint
from proxy.errors import Refused
from proxy.model.point import Point, Sparse, Vector
from proxy.model.schema import DType, Metric, Schema, VectorField, VectorKind
from proxy.qdrant.sdk import grpc

Floats: TypeAlias = npt.NDArray[np.float32]
Length: TypeAlias = float | list[float]
Packed: TypeAlias = memoryview | list[memoryview] | Sparse
"""One vector as its message wants it: a dense one's float32, those of a multivector's rows, or indices and values."""
_UNIT_TOLERANCE: Final = 1e-6
"""Qdrant takes a vector whose squared length is this near to 1 as normalised and stores it untouched."""
_PACKED_FIELD_1: Final = b"\x0a"
"""The protobuf tag of a packed repeated field with number 1: behind it the size and the floats are the message."""


@dataclass(frozen=True, slots=True)
class Column:
    """The vectors of one name, None for points without; and the lengths to keep beside them, None where there are none."""

    name: str
    packed: Sequence[Packed | None]
    lengths: Sequence[Length | None] | None


def compile_vectors(points: Sequence[Point], schema: Schema) -> list[Column]:
    """Raises Refused on an unknown name, another dimension or kind, NaN and infinity."""
    if not points:
        return []
    names = points[0].vectors.keys()
    alike = all(point.vectors.keys() == names for point in points)
    wanted = names if alike else dict.fromkeys(name for point in points for name in point.vectors)
    return [_column(name, points, schema, alike=alike) for name in wanted]


def _column(name: str, points: Sequence[Point], schema: Schema, *, alike: bool) -> Column:
    holders = points if alike else [point for point in points if name in point.vectors]
    packed, lengths = _compile_field(declared(schema, name), [point.vectors[name] for point in holders], schema)
    if is_own_kind(schema):
        lengths = None
    if alike:
        return Column(name, packed, lengths)
    places = [n for n, point in enumerate(points) if name in point.vectors]
    spread: list[Packed | None] = [None] * len(points)
    kept: list[Length | None] = [None] * len(points)
    for n, each, length in zip(places, packed, lengths or kept[: len(places)], strict=True):
        spread[n], kept[n] = each, length
    return Column(name, spread, None if lengths is None else kept)


def compile_query(vector: Vector, schema: Schema, using: str) -> grpc.VectorInput:
    packed, _ = _compile_field(declared(schema, using), [vector], schema)
    query = grpc.VectorInput()
    fill_vector(query, packed[0])
    return query


def fill_vector(target: grpc.Vector | grpc.VectorInput, packed: Packed) -> None:
    """In place, for a message that is built first and copied then costs as much again."""
    match packed:
        case memoryview():
            target.dense.MergeFromString(_dense_message(packed))
        case list():
            target.multi_dense.SetInParent()
            for row in packed:
                target.multi_dense.vectors.add().MergeFromString(_dense_message(row))
        case Sparse(indices, values):
            target.sparse.indices.extend(indices.tolist())
            target.sparse.values.extend(values.tolist())


def parse_vectors(found: grpc.VectorsOutput, lengths: Lengths, schema: Schema) -> dict[str, Vector]:
    """The unnamed vector is named ""."""
    which = found.WhichOneof("vectors_options")
    if which is None:
        return {}
    named: Mapping[str, Any] = {"": found.vector} if which == "vector" else found.vectors.vectors
    return {name: _parse(vector, lengths.get(name), schema.vectors.get(name)) for name, vector in named.items()}


def declared(schema: Schema, name: str) -> VectorField:
    if name not in schema.vectors:
        raise Refused(f"collection {schema.collection} has no vector {name!r}")
    return schema.vectors[name]


def _compile_field(
    field: VectorField, rows: Sequence[Vector], schema: Schema
) -> tuple[Sequence[Packed], Sequence[Length | None] | None]:
    """The rows, and the length to keep of each (None: of none of them)."""
    where = f"vector {field.name!r} of collection {schema.collection}"
    if field.kind is VectorKind.SPARSE:
        return [_sparse(row, where) for row in rows], None
    arrays = _arrays(rows, field, where)
    if field.kind is VectorKind.MULTI:
        units = [_unit(array, field, where) for array in arrays]
        return [_packed(unit) for unit, _ in units], [lengths for _, lengths in units]
    flat, lengths = _unit(np.concatenate(arrays).reshape(len(arrays), -1), field, where)
    return _packed(flat), None if lengths is None else [None if length == 1.0 else length for length in lengths]


def _arrays(rows: Sequence[Vector], field: VectorField, where: str) -> list[npt.NDArray[Any]]:
    """Raises Refused where they are of another kind or dimension."""
    axes = 2 if field.kind is VectorKind.MULTI else 1
    arrays = [row for row in rows if not isinstance(row, Sparse) and row.ndim == axes]
    if len(arrays) < len(rows):
        raise Refused(f"{where} is {field.kind}, and was given another kind")
    for row in arrays:
        if row.shape[-1] != field.dim:
            raise Refused(f"{where} has dimension {row.shape[-1]}, the collection wants {field.dim}")
    return arrays


def _unit(rows: npt.NDArray[Any], field: VectorField, where: str) -> tuple[Floats, list[float] | None]:
    """Rows as float32, for cosine at length 1, with the lengths that they had (None: all of them are kept anyway).

    A length of 1.0 says that the row is stored untouched: it is normalised already, or zero. While the metric is not known,
    or no longer, Qdrant may normalise by itself: then the lengths are kept as well.
    """
    values = _widened(rows, field.dtype)
    if not np.isfinite(values).all():
        raise Refused(f"{where} holds NaN or infinity")
    if field.metric not in (Metric.COSINE, None):
        return values, None
    squares = np.einsum("ij,ij->i", values, values, dtype=np.float64)
    kept = (squares == 0) | (np.abs(squares - 1) < _UNIT_TOLERANCE)
    if kept.all():
        return values, None
    lengths = np.where(kept, 1.0, np.sqrt(squares))
    units = values if field.metric is None else (values / lengths[:, None]).astype(np.float32)
    return units, lengths.tolist()


def _widened(rows: npt.NDArray[Any], dtype: DType) -> Floats:
    """bfloat16 comes as its bits: the upper half of a float32's."""
    if dtype is DType.BFLOAT16:
        return (rows.astype(np.uint32) << 16).view(np.float32)
    return np.ascontiguousarray(rows, dtype=np.float32)


def _packed(rows: Floats) -> list[memoryview]:
    """Each row's floats, where they are."""
    raw, size = np.ascontiguousarray(rows, "<f4").data.cast("B"), 4 * rows.shape[1]
    return [raw[start : start + size] for start in range(0, len(raw), size)]


def _dense_message(packed: memoryview) -> bytes:
    return _PACKED_FIELD_1 + varint(len(packed)) + packed


def _floats(found: grpc.DenseVector) -> Floats:
    """Read-only. The reverse of `_dense_message`: far quicker than a loop over the repeated field."""
    raw = found.SerializeToString()
    return np.frombuffer(raw, "<f4", offset=len(raw) - 4 * len(found.data))


def _sparse(row: Vector, where: str) -> Sparse:
    if not isinstance(row, Sparse):
        raise Refused(f"{where} is sparse, and was given another kind")
    if not np.isfinite(row.values).all():
        raise Refused(f"{where} holds NaN or infinity")
    return row


def _parse(found: grpc.VectorOutput, length: Length | None, field: VectorField | None) -> Vector:
    """`found` in the form of servers from 1.17 on, or in the older flat one."""
    match found.WhichOneof("vector"):
        case "sparse":
            return _parse_sparse(found.sparse.indices, found.sparse.values)
        case "multi_dense":
            return _narrowed(np.array([_floats(row) for row in found.multi_dense.vectors]), length, field)
        case "dense":
            return _narrowed(_floats(found.dense), length, field)
        case _:
            return _parse_flat(found, length, field)


def _parse_flat(found: grpc.VectorOutput, length: Length | None, field: VectorField | None) -> Vector:
    flat = np.array(found.data, np.float32)
    if found.HasField("indices"):
        return _parse_sparse(found.indices.data, flat)
    if found.HasField("vectors_count"):
        flat = flat.reshape(found.vectors_count, -1)
    return _narrowed(flat, length, field)


def _parse_sparse(indices: Any, values: Any) -> Sparse:
    return Sparse(np.array(indices, np.uint32), np.array(values, np.float32))


def _narrowed(stored: Floats, length: Length | None, field: VectorField | None) -> npt.NDArray[Any]:
    """At the length and of the type that were written."""
    if length is not None:
        stored = _at_length(stored, length)
    match field.dtype if field else DType.FLOAT32:
        case DType.FLOAT32 | DType.BINARY:
            return stored
        case DType.BFLOAT16:
            return _bfloat16_bits(stored)
        case DType.FLOAT16:
            return stored.astype(np.float16)
        case DType.INT8:
            return np.rint(stored).astype(np.int8)
        case DType.UINT8:
            return np.rint(stored).astype(np.uint8)


def _at_length(stored: Floats, wanted: Length) -> Floats:
    if isinstance(wanted, list):
        return np.array([_at_length(row, length) for row, length in zip(stored, wanted, strict=True)])
    wide = stored.astype(np.float64)
    now = math.sqrt(wide @ wide)
    if now == 0 or abs(wanted / now - 1) < _UNIT_TOLERANCE:
        return stored
    return (wide * (wanted / now)).astype(np.float32)


def _bfloat16_bits(stored: Floats) -> npt.NDArray[np.uint16]:
    bits = stored.view(np.uint32).astype(np.uint64)
    nearest_even = (bits + 0x7FFF + (bits >> np.uint64(16) & np.uint64(1))) >> np.uint64(16)
    return nearest_even.astype(np.uint16)
