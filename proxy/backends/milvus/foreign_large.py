"""Payloads that are too large for Milvus's dynamic field. Pure.

The exact original is in a column of its own, cut into texts; the dynamic field has as many fields of it as fit, so a filter
cannot trust it: once a collection has such rows, every filter takes them all and the model's own evaluator decides.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from proxy.backends.milvus.foreign_names import EXACT
from proxy.backends.originals import decode, encode
from proxy.errors import Refused
from proxy.model.filter import ArrayLength, Filter
from proxy.model.point import Payload, Value

REST: Final = "__rest__"
"""The column: an array of texts, empty in nearly all rows."""
MAX_JSON: Final = 65_536
"""Bytes of a row's dynamic field."""
_TEXT: Final = 60_000
"""Characters, all of ASCII, of one text; Milvus takes 65,535 bytes."""

LARGE: Final[Filter] = ArrayLength((REST,), 1, None)
"""Such rows."""


def fitting(stored: Mapping[str, Any], payload: Payload) -> dict[str, Any]:
    """What is stored of `payload`, whose form in the dynamic field is `stored`. Raises Refused for what is no JSON text."""
    if _size(stored) <= MAX_JSON:
        return {**stored, REST: []}
    text = json.dumps({name: encode(value) for name, value in payload.items()})
    return _some(stored) | {REST: [text[start : start + _TEXT] for start in range(0, len(text), _TEXT)]}


def parse_large(texts: Sequence[Value]) -> dict[str, Value]:
    return {name: decode(value) for name, value in orjson.loads("".join(map(str, texts))).items()}


def _some(stored: Mapping[str, Any]) -> dict[str, Any]:
    kept, left = {}, MAX_JSON
    for name, value in stored.items():
        size = _size({name: value})
        if size <= left and name != EXACT:
            kept[name], left = value, left - size
    return kept


def _size(stored: Mapping[str, Any]) -> int:
    try:
        return len(orjson.dumps(stored))
    except TypeError as error:
        raise Refused(f"the dynamic field cannot hold a value: {error}") from error
