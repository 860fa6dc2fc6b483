"""Qdrant's replies of either protocol, around a result."""

from __future__ import annotations

from typing import Any, Final

import orjson
from pydantic import BaseModel

from proxy.frontends import grpc
from proxy.ports import Headers, Reply

JSON: Final[Headers] = ((b"content-type", b"application/json"),)
TEXT: Final[Headers] = ((b"content-type", b"text/plain; charset=utf-8"),)


def rest(result: Any) -> Reply:
    """`result`: JSON values, numpy arrays and REST models."""
    return bare({"result": result, "status": "ok", "time": 0.0})


def bare(tree: Any) -> Reply:
    return Reply(200, JSON, orjson.dumps(tree, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS))


def message(found: Any) -> Reply:
    return grpc.succeeded(found.SerializeToString())


def _plain(found: Any) -> Any:
    if isinstance(found, BaseModel):
        return found.model_dump(mode="json", by_alias=True, exclude_none=True)
    raise TypeError(f"no JSON for {type(found).__name__}")
