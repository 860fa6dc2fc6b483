"""What Qdrant answers of the model. The conformance suite holds every line to be true."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from proxy.model.feature import Feature, Support

NATIVE: Final = frozenset(
    {
        Feature.COSINE,
        Feature.DOT,
        Feature.EUCLIDEAN,
        Feature.MANHATTAN,
        Feature.SPARSE_VECTORS,
        Feature.MULTI_VECTORS,
        Feature.NAMED_VECTORS,
        Feature.INT_IDS,
        Feature.UUID_IDS,
        Feature.DYNAMIC_FIELDS,
        Feature.NESTED_PAYLOAD,
        Feature.NULL_VALUES,
        Feature.FILTER_EQUALS,
        Feature.FILTER_RANGE,
        Feature.FILTER_FLOAT_EQUALS,
        Feature.FILTER_ARRAY,
        Feature.FILTER_ARRAY_LENGTH,
        Feature.FILTER_ARRAY_INDEX,
        Feature.FILTER_NULL,
        Feature.FILTER_PREFIX,
        Feature.FILTER_GEO,
        Feature.FILTER_NESTED,
        Feature.FILTER_HAS_VECTOR,
        Feature.SEARCH_BATCH,
        Feature.SEARCH_OFFSET,
        Feature.SCAN,
        Feature.COUNT,
        Feature.ALIASES,
        Feature.PAYLOAD_INDEXES,
    }
)

EMULATED: Final = frozenset(
    {
        Feature.HALF_VECTORS,  # kept as float32, which holds every value of them
        Feature.EXACT_VECTOR_LENGTH,  # the length is in the payload
        Feature.NEGATIVE_IDS,  # a UUID made from the key
        Feature.STRING_IDS,  # likewise
        Feature.PARTITIONS,  # a payload field, and part of the id
        Feature.NON_FINITE_VALUES,  # the exact value is in the payload
        Feature.FILTER_EXISTS,  # empty arrays are listed in the payload
        Feature.FILTER_ID,
        Feature.FILTER_ID_RANGE,
        Feature.SEARCH_GROUP,  # made of plain searches
        Feature.SEARCH_HYBRID,  # likewise
        Feature.SEARCH_RANGE,  # the far bound by fetching more
    }
)

ABSENT: Final = frozenset(
    {
        Feature.BINARY_VECTORS,
        Feature.EXACT_DOUBLES,  # not refused: 3 % of them are read a unit in the last place off, and compared so
        Feature.AUTO_IDS,
        Feature.FILTER_TEXT_RANGE,
        Feature.FILTER_LIKE,  # beyond the prefix
        Feature.FILTER_TEXT,  # its tokens depend on an index
        Feature.FILTER_ARITHMETIC,
        Feature.FILTER_FIELD_COMPARE,
        Feature.SEARCH_FULL_TEXT,
        Feature.RENAME,
    }
)

FEATURES: Final[Mapping[Feature, Support]] = (
    dict.fromkeys(NATIVE, Support.NATIVE) | dict.fromkeys(EMULATED, Support.EMULATED) | dict.fromkeys(ABSENT, Support.ABSENT)
)
