"""Payloads of a foreign collection <-> Milvus's JSON. Pure.

A value is stored as it is where JSON holds it exactly, else in the nearest form that filters the same way, and then the field's
original is kept in `__vecferry__`.
"""

from __future__ import annotations

import base64
import math
import sys
from collections.abc import Container, Mapping
from datetime import UTC, datetime
from typing import Any, assert_never
from uuid import UUID

import orjson

from proxy.backends.milvus.foreign_names import EXACT, PayloadNames
from proxy.backends.originals import INT64_MAX, INT64_MIN, decode, encode, is_json
from proxy.model.point import GeoPoint, Payload, Value


def stored_payload(payload: Payload, names: PayloadNames) -> dict[str, Any]:
    stored: dict[str, Any] = {}
    originals: dict[str, Any] = {}
    for name, value in payload.items():
        called = names.stored(name)
        if is_json(value):
            stored[called] = value
        else:
            stored[called] = nearest(value)
            originals[name] = encode(value)
    if originals:
        stored[EXACT] = orjson.dumps(originals).decode()
    return stored


def parse_payload(stored: Mapping[str, Any], names: PayloadNames, ours: Container[str] = ()) -> dict[str, Value]:
    """Of a part of the fields too; `__vecferry__` must be among them. Without `ours`."""
    payload: dict[str, Value] = {}
    for name, value in stored.items():
        if name[:1] != "_":  # nothing of ours, and nothing that was moved: nearly all
            payload[name] = value
        elif name != EXACT and name not in ours:
            payload[names.parsed(name)] = value
    if EXACT in stored:
        originals = orjson.loads(stored[EXACT])
        payload |= {name: decode(value) for name, value in originals.items() if name in payload}
    return payload


def nearest(value: Value) -> Any:
    match value:
        case None | bool() | str():
            return value
        case int() | float():
            return _nearest_number(value)
        case list():
            return [nearest(each) for each in value]
        case dict():
            return {name: nearest(each) for name, each in value.items()}
        case _:
            return _nearest_of_no_json(value)


def _nearest_of_no_json(value: bytes | datetime | UUID | GeoPoint) -> str | dict[str, float]:
    match value:
        case GeoPoint(lon, lat):
            return {"lon": lon, "lat": lat}
        case bytes():
            return base64.b64encode(value).decode()
        case datetime():
            return _instant(value).isoformat()
        case UUID():
            return str(value)
        case _:
            assert_never(value)


def _nearest_number(value: int | float) -> int | float | None:
    if isinstance(value, int) and INT64_MIN <= value <= INT64_MAX:
        return value
    if math.isnan(value):
        return None  # no number: no comparison may hold
    limit = sys.float_info.max
    return float(max(-limit, min(limit, value)))


def _instant(value: datetime) -> datetime:
    """A time without a zone is UTC."""
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value
