"""The engine's own form of the small REST models that have a twin there under the same field names.

Owns: the table of twins. Not: filters, queries, vectors (their own modules).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Any, Final

import qdrant_edge as edge
from pydantic import BaseModel
from qdrant_client import models

from proxy.local.qdrant.errors import VALIDATION, Fault, absent
from proxy.qdrant.settings import given

_ENUMS: Final[Mapping[type, type]] = {
    models.BinaryQuantizationEncoding: edge.BinaryQuantizationEncoding,
    models.BinaryQuantizationQueryEncoding: edge.BinaryQuantizationQueryEncoding,
    models.CompressionRatio: edge.CompressionRatio,
    models.Datatype: edge.VectorStorageDatatype,
    models.Direction: edge.Direction,
    models.Distance: edge.Distance,
    models.Language: edge.Language,
    models.Memory: edge.Memory,
    models.Modifier: edge.Modifier,
    models.MultiVectorComparator: edge.MultiVectorComparator,
    models.PayloadSchemaType: edge.PayloadSchemaType,
    models.ScalarType: edge.ScalarType,
    models.SnowballLanguage: edge.SnowballLanguage,
    models.TextScoringType: edge.TextScoringType,
    models.TokenizerType: edge.TokenizerType,
    models.TurboQuantBitSize: edge.TurboQuantBitSize,
    models.UpdateMode: edge.UpdateMode,
}

_STRUCTS: Final[Mapping[type, type]] = {
    models.AcornSearchParams: edge.AcornSearchParams,
    models.BinaryQuantizationConfig: edge.BinaryQuantizationConfig,
    models.BoolIndexParams: edge.BoolIndexParams,
    models.DatetimeIndexParams: edge.DatetimeIndexParams,
    models.FloatIndexParams: edge.FloatIndexParams,
    models.GeoBoundingBox: edge.GeoBoundingBox,
    models.GeoIndexParams: edge.GeoIndexParams,
    models.GeoPoint: edge.GeoPoint,
    models.GeoRadius: edge.GeoRadius,
    models.IntegerIndexParams: edge.IntegerIndexParams,
    models.KeywordIndexParams: edge.KeywordIndexParams,
    models.MultiVectorConfig: edge.MultiVectorConfig,
    models.ProductQuantizationConfig: edge.ProductQuantizationConfig,
    models.QuantizationSearchParams: edge.QuantizationSearchParams,
    models.Range: edge.RangeFloat,
    models.ScalarQuantizationConfig: edge.ScalarQuantizationConfig,
    models.SnowballParams: edge.SnowballParams,
    models.TextIndexParams: edge.TextIndexParams,
    models.TextScoringParams: edge.TextScoringParams,
    models.TurboQuantQuantizationConfig: edge.TurboQuantQuantizationConfig,
    models.UuidIndexParams: edge.UuidIndexParams,
    models.ValuesCount: edge.ValuesCount,
}

# Fields that only tell the REST models of a union apart; the engine's classes do that themselves.
_TAGS: Final = frozenset({kind for kind in _STRUCTS if kind.__name__.endswith("IndexParams")} | {models.SnowballParams})


def twin(value: Any) -> Any:
    """An enum or struct of the REST models as the engine's; lists element-wise; anything else unchanged."""
    match value:
        case Enum():
            return _member(_ENUMS[type(value)], str(value.value))
        case models.DisabledStemmerParams():
            return edge.DisabledStemmer()
        case models.StopwordsSet():
            return edge.StopwordsSet(set(twin(value.languages or [])) or None, set(value.custom or []) or None)
        case BaseModel():
            return _STRUCTS[type(value)](**_fields(value))
        case list():
            return [twin(part) for part in value]
        case _:
            return value


def member_name(member: Any) -> str:
    """Of an engine's enum, in lower case: `PayloadSchemaType.Keyword` is `keyword`."""
    return repr(member).rpartition(".")[2].lower()


def _fields(model: BaseModel) -> dict[str, Any]:
    untagged = type(model) in _TAGS
    return {name: twin(value) for name, value in given(model).items() if not (untagged and name == "type")}


def _member(kind: type, name: str) -> Any:
    try:
        return _members(kind)[_plain(name)]
    except KeyError:
        raise absent(f"{kind.__name__} {name!r} is") from None


@cache
def _members(kind: type) -> Mapping[str, Any]:
    return {_plain(name): getattr(kind, name) for name in dir(kind) if not name.startswith("_")}


def _plain(name: str) -> str:
    """`one_and_half_bits` and `OneAndHalfBits` are one name."""
    return name.replace("_", "").lower()


def datetime_range(bounds: models.DatetimeRange) -> edge.RangeDateTime:
    return edge.RangeDateTime(**{name: moment.isoformat() for name, moment in given(bounds).items()})


def check_limit(limit: int | None, default: int) -> int:
    """Raises Fault for a limit below 1."""
    if limit is not None and limit < 1:
        raise Fault(VALIDATION, f"[limit: value {limit} invalid, must be 1 or larger]")
    return default if limit is None else limit
