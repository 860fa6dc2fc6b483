"""The field `__vecferry__`, kept beside what a product can hold: JSON that holds any value of the model exactly. Pure.

What JSON lacks is an object with one key that starts with `$`; a client's object with such a key is wrapped in `$object`.
"""

from __future__ import annotations

import base64
import math
from datetime import datetime
from typing import Any, Final, assert_never
from uuid import UUID

from proxy.errors import Broken
from proxy.model.point import GeoPoint, Value

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1


def is_json(value: Value) -> bool:
    """Every JSON of 64-bit integers and doubles holds it exactly."""
    match value:
        case None | bool() | str():
            return True
        case int():
            return INT64_MIN <= value <= INT64_MAX
        case float():
            return math.isfinite(value)
        case list():
            return all(map(is_json, value))
        case dict():
            return all(map(is_json, value.values()))
        case _:
            return False


def encode(value: Value) -> Any:
    match value:
        case None | bool() | str():
            return value
        case int():
            return value if INT64_MIN <= value <= INT64_MAX else {"$int": str(value)}
        case float():
            return value if math.isfinite(value) else {"$float": str(value)}
        case list():
            return [encode(each) for each in value]
        case dict():
            return _encode_object(value)
        case _:
            return _encode_tagged(value)


def decode(value: Any) -> Value:
    """Raises Broken on what `encode` did not write."""
    match value:
        case list():
            return [decode(each) for each in value]
        case dict() if any(name.startswith("$") for name in value):
            return _decode_tagged(value)
        case dict():
            return {name: decode(each) for name, each in value.items()}
        case None | bool() | int() | float() | str():
            return value
        case _:
            raise Broken(f"no JSON value: {value!r}")


def _encode_tagged(value: bytes | datetime | UUID | GeoPoint) -> dict[str, Any]:
    match value:
        case bytes():
            return {"$bytes": base64.b64encode(value).decode()}
        case datetime():
            return {"$datetime": value.isoformat()}
        case UUID():
            return {"$uuid": str(value)}
        case GeoPoint(lon, lat):
            return {"$geo": [lon, lat]}
        case _:
            assert_never(value)


def _encode_object(value: dict[str, Value]) -> dict[str, Any]:
    encoded = {name: encode(each) for name, each in value.items()}
    return {"$object": encoded} if any(name.startswith("$") for name in value) else encoded


def _decode_tagged(value: dict[str, Any]) -> Value:
    match value:
        case {"$int": str(text)}:
            return int(text)
        case {"$float": str(text)}:
            return float(text)
        case {"$bytes": str(text)}:
            return base64.b64decode(text)
        case {"$datetime": str(text)}:
            return datetime.fromisoformat(text)
        case {"$uuid": str(text)}:
            return UUID(text)
        case {"$geo": [lon, lat]}:
            return GeoPoint(lon, lat)
        case {"$object": dict(entries)}:
            return {name: decode(each) for name, each in entries.items()}
        case _:
            raise Broken(f"an exact value has an unknown form: {value!r}")
