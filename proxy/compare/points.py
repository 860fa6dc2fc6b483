"""Whether two states of one key are the same state, as exactly as both sides can store it. Pure.

Owns: the meaning of "equal" for payloads and vectors. Not: answers to searches (hits), who is right (the primary is).
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, TypeAlias
from uuid import UUID

import numpy as np
import numpy.typing as npt

from proxy.compare.kept import EXACTLY, Kept
from proxy.model.point import Payload, Point, Sparse, Vector
from proxy.model.schema import DType, FieldType, Metric, Schema, VectorField, VectorKind


class Reason(StrEnum):
    """How the secondary's state of a key differs from the primary's."""

    MISSING = "missing"
    """The primary has the point, the secondary does not."""
    EXTRA = "extra"
    """The secondary has a point that the primary does not have."""
    PAYLOAD = "payload"
    VECTOR = "vector"
    STALE = "stale"
    """Payload and vectors differ: most likely another version of the point."""


_REASONS: Final[Mapping[tuple[bool, bool], Reason | None]] = {
    (True, True): None,
    (False, True): Reason.PAYLOAD,
    (True, False): Reason.VECTOR,
    (False, False): Reason.STALE,
}

# What storing a normalised vector rounds, relative and absolute. Relative: half a unit in the last place of a component, and
# as much again, since the length is off by what the roundings of all have in common. Absolute: half the smallest subnormal.
# Components that are not changed by normalising are stored exactly and need none.
_ROUNDING: Final[Mapping[DType, tuple[float, float]]] = {
    DType.FLOAT32: (2**-23, 2**-150),
    DType.FLOAT16: (2**-10, 2**-25),
    DType.BFLOAT16: (2**-8, 2**-134),
}
_UNDECLARED_VECTOR: Final = VectorField("", VectorKind.DENSE, dim=0, metric=None)


def difference(a: Point | None, b: Point | None, schema: Schema, tolerance: float, kept: Kept = EXACTLY) -> Reason | None:
    """How `b` (the secondary's) differs from `a` (the primary's); None where they are the same state.

    `tolerance`: relative difference of a vector component that still counts as equal.
    """
    if a is None:
        return None if b is None else Reason.EXTRA
    if b is None:
        return Reason.MISSING
    vectors = _same_vectors(a.vectors, b.vectors, schema, tolerance, kept.lengths)
    return _REASONS[same_payload(a.payload, b.payload, schema, kept), vectors]


def equal(a: Point | None, b: Point | None, schema: Schema, tolerance: float, kept: Kept = EXACTLY) -> bool:
    return difference(a, b, schema, tolerance, kept) is None


# ---- payload ----

Same: TypeAlias = Callable[[Any, Any, Kept], bool]


def same_payload(a: Payload, b: Payload, schema: Schema, kept: Kept = EXACTLY) -> bool:
    """Null, missing and [] are three different things; declared fields compare by their type, the others by their own."""
    if a.keys() != b.keys():
        return False
    return all(_same_field(name, value, b[name], schema, kept) for name, value in a.items())


def _same_field(name: str, a: Any, b: Any, schema: Schema, kept: Kept) -> bool:
    if a is None or b is None:
        return a is b
    if _same_value(a, b, kept):
        return True  # of a product without types an index declares a field, which may hold anything
    declared = schema.fields.get(name)
    if declared is None:
        return False
    if declared.type is FieldType.ARRAY and declared.element is not None:
        return _same_list(a, b, kept, _BY_TYPE[declared.element])
    return _BY_TYPE[declared.type](a, b, kept)


def _same_value(a: Any, b: Any, kept: Kept) -> bool:
    """By the values' own types: 1 is not 1.0 (the client would see it), never "1" and never true."""
    match a, b:
        case dict(), dict():
            return a.keys() == b.keys() and all(_same_value(value, b[key], kept) for key, value in a.items())
        case list(), list():
            return _same_list(a, b, kept, _same_value)
        case (datetime(), str() | datetime()) | (str(), datetime()):
            return _same_time(a, b, kept)
        case (UUID(), str() | UUID()) | (str(), UUID()):
            return _same_uuid(a, b, kept)
        case float(), float():
            return _same_double(a, b, kept)
        case _:
            return type(a) is type(b) and bool(a == b)


def _same_list(a: Any, b: Any, kept: Kept, same: Same) -> bool:
    if not isinstance(a, list) or not isinstance(b, list):
        return False
    return len(a) == len(b) and all(same(one, other, kept) for one, other in zip(a, b, strict=True))


def _same_number(a: Any, b: Any, kept: Kept) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return _same_double(a, b, kept)
    return _is_number(a) and _is_number(b) and bool(a == b)


def _same_float32(a: Any, b: Any, kept: Kept) -> bool:
    """One side may have kept what the other rounded."""
    if not _is_number(a) or not _is_number(b):
        return False
    return _same_double(ctypes.c_float(a).value, ctypes.c_float(b).value, EXACTLY)


def _same_time(a: Any, b: Any, kept: Kept) -> bool:
    """The same instant in any notation; without a zone it is UTC."""
    instants = _instant(a), _instant(b)
    return bool(instants[0] == instants[1]) if None not in instants else bool(a == b)


def _same_uuid(a: Any, b: Any, kept: Kept) -> bool:
    forms = _uuid(a), _uuid(b)
    return forms[0] == forms[1] if None not in forms else bool(a == b)


_BY_TYPE: Final[Mapping[FieldType, Same]] = {
    FieldType.BOOL: _same_value,
    FieldType.INT8: _same_number,
    FieldType.INT16: _same_number,
    FieldType.INT32: _same_number,
    FieldType.INT64: _same_number,
    FieldType.FLOAT32: _same_float32,
    FieldType.FLOAT64: _same_number,
    FieldType.STRING: _same_value,
    FieldType.JSON: _same_value,
    FieldType.ARRAY: _same_value,
    FieldType.DATETIME: _same_time,
    FieldType.UUID: _same_uuid,
    FieldType.GEO: _same_value,
    FieldType.BYTES: _same_value,
}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same_double(a: float, b: float, kept: Kept) -> bool:
    """Qdrant's engine reads some of the doubles that it stores a unit in the last place beside what it was given (measured:
    3 % of them, always the same ones)."""
    return a == b or (math.isnan(a) and math.isnan(b)) or (not kept.doubles and math.isclose(a, b, rel_tol=2**-52))


def _instant(value: Any) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _uuid(value: Any) -> UUID | None:
    if not isinstance(value, str):
        return value if isinstance(value, UUID) else None
    try:
        return UUID(value)
    except ValueError:
        return None


# ---- vectors ----


def _same_vectors(
    a: Mapping[str, Vector], b: Mapping[str, Vector], schema: Schema, tolerance: float, exact_length: bool
) -> bool:
    if a.keys() != b.keys():
        return False
    declared = {name: schema.vectors.get(name, _UNDECLARED_VECTOR) for name in a}
    return all(_same_vector(a[name], b[name], declared[name], tolerance, exact_length) for name in a)


def _same_vector(a: Vector, b: Vector, declared: VectorField, tolerance: float, exact_length: bool) -> bool:
    if isinstance(a, Sparse) or isinstance(b, Sparse):
        return _same_sparse(a, b, tolerance)
    if a.shape != b.shape:
        return False
    if np.array_equal(a, b):
        return True
    if declared.dtype not in _ROUNDING:
        return False
    rounding = _ROUNDING[declared.dtype]
    if declared.metric is Metric.COSINE and (not exact_length or (_normalised(a, rounding) and _normalised(b, rounding))):
        return _close(_direction(a), _direction(b), tolerance, rounding)
    return _close(a, b, tolerance)


def _normalised(vector: npt.NDArray[Any], rounding: tuple[float, float]) -> bool:
    """At length 1, as far as its components can tell: whoever stores it may have made it so, and the next one once more."""
    return bool(np.all(np.abs(np.linalg.norm(vector.astype(np.float64), axis=-1) - 1.0) <= rounding[0]))


def _same_sparse(a: Vector, b: Vector, tolerance: float) -> bool:
    if not isinstance(a, Sparse) or not isinstance(b, Sparse):
        return False
    return np.array_equal(a.indices, b.indices) and _close(a.values, b.values, tolerance)


def _close(a: npt.NDArray[Any], b: npt.NDArray[Any], tolerance: float, rounding: tuple[float, float] = (0, 0)) -> bool:
    """`rounding`: relative and absolute, on top of the relative `tolerance`. NaN equals NaN."""
    relative, absolute = rounding
    a, b = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(invalid="ignore"):  # inf - inf, judged by `finite` below
        near = np.abs(a - b) <= (tolerance + relative) * np.maximum(np.abs(a), np.abs(b)) + absolute
    finite = np.isfinite(a) & np.isfinite(b)
    return bool(np.all(near[finite])) and np.array_equal(a[~finite], b[~finite], equal_nan=True)


def _direction(vector: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Each row at length 1; a zero vector has no direction and stays zero."""
    wide = vector.astype(np.float64)
    length: npt.NDArray[np.float64] = np.linalg.norm(wide, axis=-1, keepdims=True)
    return wide / np.where(np.isfinite(length) & (length > 0), length, 1.0)
