"""What Milvus can do, as of 2.4, and what older servers lack of it. What newer ones can do beyond is not used.

EMULATED filters: the expression finds a superset, the model's own evaluator decides (expr.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from proxy.backends.milvus.generation import Generation
from proxy.model.feature import Feature, Support

FEATURES: Final[dict[Feature, Support]] = {
    Feature.COSINE: Support.NATIVE,
    Feature.DOT: Support.NATIVE,
    Feature.EUCLIDEAN: Support.NATIVE,
    Feature.MANHATTAN: Support.ABSENT,
    Feature.BINARY_VECTORS: Support.NATIVE,
    Feature.HALF_VECTORS: Support.NATIVE,
    Feature.SPARSE_VECTORS: Support.NATIVE,
    Feature.MULTI_VECTORS: Support.ABSENT,
    Feature.NAMED_VECTORS: Support.EMULATED,  # a column says which vectors a point has
    Feature.EXACT_VECTOR_LENGTH: Support.NATIVE,
    Feature.INT_IDS: Support.NATIVE,
    Feature.NEGATIVE_IDS: Support.NATIVE,
    Feature.STRING_IDS: Support.NATIVE,
    Feature.UUID_IDS: Support.EMULATED,  # as texts
    Feature.AUTO_IDS: Support.ABSENT,
    Feature.PARTITIONS: Support.NATIVE,
    Feature.DYNAMIC_FIELDS: Support.NATIVE,
    Feature.NESTED_PAYLOAD: Support.NATIVE,
    Feature.NULL_VALUES: Support.NATIVE,
    Feature.NON_FINITE_VALUES: Support.EMULATED,  # the exact value is kept beside
    Feature.EXACT_DOUBLES: Support.NATIVE,
    Feature.FILTER_EQUALS: Support.NATIVE,
    Feature.FILTER_RANGE: Support.NATIVE,
    Feature.FILTER_TEXT_RANGE: Support.NATIVE,
    Feature.FILTER_FLOAT_EQUALS: Support.NATIVE,
    Feature.FILTER_ARRAY: Support.NATIVE,
    Feature.FILTER_ARRAY_LENGTH: Support.EMULATED,
    Feature.FILTER_ARRAY_INDEX: Support.NATIVE,
    Feature.FILTER_EXISTS: Support.NATIVE,
    Feature.FILTER_NULL: Support.EMULATED,
    Feature.FILTER_PREFIX: Support.NATIVE,
    Feature.FILTER_LIKE: Support.EMULATED,
    Feature.FILTER_TEXT: Support.EMULATED,
    Feature.FILTER_GEO: Support.ABSENT,
    Feature.FILTER_HAS_VECTOR: Support.EMULATED,
    Feature.FILTER_ID: Support.NATIVE,
    Feature.FILTER_ID_RANGE: Support.NATIVE,
    Feature.FILTER_NESTED: Support.EMULATED,
    Feature.FILTER_ARITHMETIC: Support.ABSENT,
    Feature.FILTER_FIELD_COMPARE: Support.ABSENT,
    Feature.SEARCH_BATCH: Support.NATIVE,
    Feature.SEARCH_OFFSET: Support.EMULATED,
    Feature.SEARCH_RANGE: Support.EMULATED,
    Feature.SEARCH_GROUP: Support.EMULATED,
    Feature.SEARCH_HYBRID: Support.EMULATED,
    Feature.SEARCH_FULL_TEXT: Support.ABSENT,
    Feature.SCAN: Support.NATIVE,
    Feature.COUNT: Support.NATIVE,
    Feature.ALIASES: Support.NATIVE,
    Feature.RENAME: Support.NATIVE,
    Feature.PAYLOAD_INDEXES: Support.NATIVE,
}

BEFORE_2_4: Final[Mapping[Feature, Support]] = FEATURES | dict.fromkeys(
    (Feature.SPARSE_VECTORS, Feature.NAMED_VECTORS), Support.ABSENT
)


def features_of(generation: Generation) -> Mapping[Feature, Support]:
    return FEATURES if generation.sparse else BEFORE_2_4
