"""Payloads <-> Qdrant's. Pure.

A field is stored as it is where Qdrant holds it exactly, else in the nearest form that filters the same way, with the
original in `__vecferry__` (`fields`). Each field that this module adds is taken away again on the way back.
"""

from __future__ import annotations

import base64
import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias, assert_never
from uuid import UUID

import orjson

from proxy.backends.originals import INT64_MAX, INT64_MIN, decode, encode, is_json
from proxy.backends.qdrant.ids import is_own_kind
from proxy.backends.qdrant.names import (
    EMPTY,
    EXACT,
    ID,
    MAX_PATH,
    PARTITION,
    addressable,
    field_name,
    json_path,
    parse_field_name,
)
from proxy.errors import Refused
from proxy.model.filter import Path
from proxy.model.point import GeoPoint, Key, Payload, Value
from proxy.model.schema import Schema
from proxy.qdrant.sdk import grpc

DOUBLE_LIMIT: Final = 2**53
"""From here on two integers can be one double."""
MAX_EXACT_DEPTH: Final = 100
"""Levels of nesting that the field `__vecferry__` keeps; its JSON text could hold some 250."""
Lengths: TypeAlias = Mapping[str, float | list[float]]
"""Vector name -> its length (of a multivector: each row's), where Qdrant keeps only the direction."""


@dataclass(slots=True)
class _Found:
    """What a walk over one field noticed."""

    exact: bool = True
    empty: list[Path] = field(default_factory=list)


def compile_payload(key: Key, payload: Payload, lengths: Lengths, schema: Schema) -> dict[str, Any]:
    """JSON values. Raises Refused where a collection of Qdrant's own kind is given what Qdrant cannot hold, and in all of them
    for what is nested too deeply."""
    if is_own_kind(schema):
        return {name: _kept(name, value) for name, value in payload.items()}
    stored: dict[str, Any] = {}
    originals: dict[str, Any] = {}
    empty: list[Path] = []
    for name, value in payload.items():
        called = field_name(name)
        if _is_exact(value):
            stored[called] = value
            continue
        found = _Found()
        stored[called] = _nearest(value, (called,), found)
        empty += found.empty
        if not found.exact:
            if _deeper(value, MAX_EXACT_DEPTH):
                raise Refused(f"the payload field {name!r} is nested more than {MAX_EXACT_DEPTH} levels deep")
            originals[name] = encode(value)
    stored[ID] = str(key.id) if isinstance(key.id, UUID) else key.id
    if key.partition is not None:
        stored[PARTITION] = key.partition
    if empty or originals or lengths:
        stored.update(_notes(originals, empty, lengths))
    return stored


def parse_payload(stored: Mapping[str, Any], schema: Schema) -> tuple[dict[str, Value], Lengths]:
    if is_own_kind(schema):
        return dict(stored), {}
    exact = orjson.loads(stored[EXACT]) if EXACT in stored else {}
    payload = {parse_field_name(name): value for name, value in stored.items() if name not in (ID, PARTITION, EMPTY, EXACT)}
    originals = {name: decode(value) for name, value in exact.get("fields", {}).items() if name in payload}
    return payload | originals, exact.get("lengths", {})


def _notes(originals: Mapping[str, Any], empty: list[Path], lengths: Lengths) -> dict[str, Any]:
    """What few points have."""
    added: dict[str, Any] = {}
    if empty:
        added[EMPTY] = [json_path(path) for path in empty if all(map(_in_path, path))]
    exact = {name: part for name, part in (("fields", originals), ("lengths", lengths)) if part}
    if exact:
        added[EXACT] = orjson.dumps(exact).decode()
    return added


def _in_path(step: str | int) -> bool:
    """A name that no path can say is in no filter either."""
    return isinstance(step, int) or addressable(step)


def _kept(name: str, value: Value) -> Any:
    """As it is: what came from Qdrant is a double there or an integer, and stays so."""
    if not is_json(value) or _deeper(value, MAX_PATH):
        raise Refused(f"the payload field {name!r} holds a value that Qdrant cannot store")
    return value


def _is_exact(value: Value) -> bool:
    """What nearly all values are: nothing is to be noticed about it. False where it must be looked at."""
    match value:
        case None | str() | bool():
            return True
        case int():
            return INT64_MIN <= value <= INT64_MAX
        case float():
            return abs(value) < DOUBLE_LIMIT
        case _:
            return False


def _nearest(value: Value, path: Path, found: _Found) -> Any:
    """The JSON value that is stored; notes in `found` when it is not the value itself."""
    match value:
        case None | bool() | str():
            return value
        case int() | float():
            stored = _nearest_number(value)
            found.exact = found.exact and type(stored) is type(value) and stored == value
            return stored
        case list() | dict() if len(path) > MAX_PATH:
            found.exact = False
            return None  # out of reach of every filter
        case list():
            if not value:
                found.empty.append(path)
            return [_nearest(each, (*path, index), found) for index, each in enumerate(value)]
        case dict():
            return {name: _nearest(each, (*path, name), found) for name, each in value.items()}
        case _:
            found.exact = False
            return _nearest_text(value)


def _nearest_number(value: int | float) -> int | float | str:
    """Whole doubles from 2**53 on become integers: there only integers can be matched exactly. See filter.py."""
    if isinstance(value, int):
        return value if INT64_MIN <= value <= INT64_MAX else double(value)
    if math.isnan(value):
        return "NaN"  # no number: no comparison may hold
    if abs(value) >= DOUBLE_LIMIT and INT64_MIN <= value <= INT64_MAX:
        return int(value)
    return double(value)


def double(value: int | float) -> float:
    """The nearest finite double."""
    limit = sys.float_info.max
    return float(max(-limit, min(limit, value)))


def _nearest_text(value: bytes | datetime | UUID | GeoPoint) -> str | dict[str, float]:
    match value:
        case bytes():
            return base64.b64encode(value).decode()
        case datetime():
            return instant(value).isoformat()
        case UUID():
            return str(value)
        case GeoPoint(lon, lat):
            return {"lon": lon, "lat": lat}
        case _:
            assert_never(value)


def instant(value: datetime) -> datetime:
    """A time without a zone is UTC."""
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value


def _deeper(value: Value, levels: int) -> bool:
    """Without recursion, which has limits of its own."""
    layer: list[Value] = [value]
    for _ in range(levels):
        layer = [part for each in layer if isinstance(each, list | dict) for part in _parts(each)]
    return any(isinstance(each, list | dict) for each in layer)


def _parts(value: list[Value] | dict[str, Value]) -> Iterable[Value]:
    return value.values() if isinstance(value, dict) else value


# ---- JSON values <-> protobuf ----


_SLOTS: Final = {str: "string_value", bool: "bool_value", int: "integer_value", float: "double_value"}


def fill(target: grpc.Value, value: Any) -> None:
    slot = _SLOTS.get(type(value))
    if slot is not None:
        setattr(target, slot, value)
    elif value is None:
        target.null_value = grpc.NullValue.NULL_VALUE
    elif isinstance(value, dict):
        target.struct_value.SetInParent()
        for name, each in value.items():
            fill(target.struct_value.fields[name], each)
    else:
        target.list_value.SetInParent()
        for each in value:
            fill(target.list_value.values.add(), each)


def read(value: grpc.Value) -> Any:
    match kind := value.WhichOneof("kind"):
        case "null_value" | None:
            return None
        case "struct_value":
            return {name: read(each) for name, each in value.struct_value.fields.items()}
        case "list_value":
            return [read(each) for each in value.list_value.values]
        case _:
            return getattr(value, kind)
