"""Milvus has one index a field: what it says to another one beside it, and what counts as the same one again. Pure.

Owns: the rule, as Milvus 2.3.5 was measured to keep it. Not: decoding the call (decode_schema). Two spellings of one index (its
parameters beside each other or as JSON) are one here, where Milvus compares the texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from proxy.errors import Refused
from proxy.frontends.milvus.calls import CodedRefusal
from proxy.milvus.schema import INDEX_NAME, METRIC_TYPE
from proxy.milvus.status import UNEXPECTED
from proxy.model.schema import Schema

INDEX_TYPE: Final = "index_type"
AUTOMATIC: Final = "AUTOINDEX"
DISTINCT: Final = "CreateIndex failed: at most one distinct index is allowed per field"
SEVERAL: Final = "CreateIndex failed: creating multiple indexes on same field is not supported"
_NO_SETTING: Final = frozenset({INDEX_NAME, "index_id", "metric"})


def flat(params: Mapping[str, Any]) -> dict[str, Any]:
    """Older clients send a JSON object under `params`: its members side by side with the others, as newer ones send them."""
    rest = {key: value for key, value in params.items() if key != "params"}
    try:
        inner = orjson.loads(params.get("params") or "{}")
    except orjson.JSONDecodeError as error:
        raise Refused(f"index params are not JSON: {error}") from error
    if not isinstance(inner, dict):
        raise Refused("index params must be a JSON object")
    return {**rest, **{key: _text(value) for key, value in inner.items()}}


def _text(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def name_of(schema: Schema, field: str, asked: str) -> str:
    """Without a name the one that is there is meant."""
    there = schema.vectors[field].index if field in schema.vectors else {}
    return asked or str(there.get(INDEX_NAME) or field)


def check(schema: Schema, field: str, name: str, params: Mapping[str, Any]) -> None:
    """Raises where Milvus would not make this index, nor take it for the one that is there."""
    if any(vector.index.get(INDEX_NAME) == name for vector in schema.vectors.values() if vector.name != field):
        raise CodedRefusal(DISTINCT, UNEXPECTED)
    if field in schema.fields:
        _check_scalar(schema.fields[field].index, params)
    elif field in schema.vectors and (there := schema.vectors[field].index):
        _check_vector(there, name, params)


def _check_scalar(there: str | None, params: Mapping[str, Any]) -> None:
    """Of an index on a scalar its type is known, and whether there is one."""
    if there and there != (params.get(INDEX_TYPE) or AUTOMATIC):
        raise CodedRefusal(DISTINCT, UNEXPECTED)


def _check_vector(there: Mapping[str, Any], name: str, params: Mapping[str, Any]) -> None:
    if there.get(INDEX_NAME, name) != name:
        raise CodedRefusal(SEVERAL, UNEXPECTED)
    known, wanted = _settings(there), _settings(params)
    if known[INDEX_TYPE] == wanted[INDEX_TYPE] == AUTOMATIC:
        # The server chose what one of them does not name, and stays with it (2.3.5 only if that is its own default).
        known, wanted = {**wanted, **known}, {**known, **wanted}
    if known != wanted:
        raise CodedRefusal(DISTINCT, UNEXPECTED)


def _settings(params: Mapping[str, Any]) -> dict[str, str]:
    told = {key: str(value) for key, value in flat(params).items() if key not in _NO_SETTING}
    return {INDEX_TYPE: AUTOMATIC, **told, **({METRIC_TYPE: told[METRIC_TYPE].upper()} if METRIC_TYPE in told else {})}
