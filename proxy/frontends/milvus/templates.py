"""The values of an expression's `{name}` parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from proxy.errors import Refused
from proxy.frontends.milvus.messages import Message


def templates(values: Mapping[str, Message]) -> dict[str, Any]:
    """Scalars and tuples. Raises Refused on a value without a kind."""
    return {name: _value(name, value) for name, value in values.items()}


def _value(name: str, value: Message) -> Any:
    which = value.WhichOneof("val")
    if which in ("bool_val", "int64_val", "float_val", "string_val"):
        return getattr(value, which)
    if which == "array_val":
        return _array(name, value.array_val)
    raise Refused(f"the value of expression template variable {name} cannot be used in a filter")


def _array(name: str, array: Message) -> tuple[Any, ...]:
    match array.WhichOneof("data"):
        case "array_data":
            return tuple(_array(name, part) for part in array.array_data.data)
        case "json_data":
            return tuple(_json(name, part) for part in array.json_data.data)
        case str() as which:
            return tuple(getattr(array, which).data)
        case _:
            return ()


def _json(name: str, part: bytes) -> Any:
    try:
        return orjson.loads(part)
    except orjson.JSONDecodeError as error:
        raise Refused(f"the value of expression template variable {name} is not JSON: {error}") from error
