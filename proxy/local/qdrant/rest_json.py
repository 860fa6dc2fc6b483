"""JSON in and out: bodies to REST models, the engine's points to what the server prints (floats as shortest float32)."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import orjson
import qdrant_edge as edge
from pydantic import BaseModel, TypeAdapter, ValidationError

from proxy.local.qdrant.errors import FORMAT, Fault
from proxy.local.qdrant.groups import Hit

_Body = TypeVar("_Body")


def parse(kind: TypeAdapter[_Body], body: Any) -> _Body:
    """Raises Fault with the place of the first thing wrong."""
    try:
        return kind.validate_python(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Fault(FORMAT, f"{where}: {first['msg']}") from None


def load(body: bytes) -> Any:
    """An empty body is an empty object. Raises Fault when it is not JSON (NaN is not)."""
    try:
        return orjson.loads(body) if body else {}
    except orjson.JSONDecodeError as error:
        raise Fault(FORMAT, str(error)) from None


def dump(tree: Any) -> bytes:
    return orjson.dumps(tree, default=_default, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)


def encode_record(found: edge.Record) -> dict[str, Any]:
    return {"id": found.id, **_content(found)}


def encode_scored(found: edge.ScoredPoint | Hit) -> dict[str, Any]:
    return {"id": found.id, "version": found.version, "score": np.float32(found.score), **_content(found)}


def _content(found: edge.Record | edge.ScoredPoint | Hit) -> dict[str, Any]:
    fields = {"payload": found.payload, "vector": _encode_vectors(found.vector), "order_value": found.order_value}
    return {name: value for name, value in fields.items() if value is not None}


def _encode_vectors(found: Any) -> Any:
    match found:
        case list():
            return np.array(found, np.float32)
        case dict():
            return {name: _encode_vectors(vector) for name, vector in found.items()}
        case edge.SparseVector():
            return {"indices": found.indices, "values": np.array(found.values, np.float32)}
        case _:
            return found


def _default(found: Any) -> Any:
    if isinstance(found, BaseModel):
        return found.model_dump(mode="json", by_alias=True, exclude_none=True)
    raise TypeError(f"no JSON for {type(found).__name__}")
