"""Collections: their vectors, fields and ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

REFUSALS: Final = "refusals"
"""In a schema's `native`, where there are any: sentences of why the collection cannot be migrated, whatever the target."""


class Product(StrEnum):
    MILVUS = "milvus"
    QDRANT = "qdrant"
    WEAVIATE = "weaviate"
    PINECONE = "pinecone"


class Metric(StrEnum):
    """The canonical value: similarity, dot product, true L2 distance, L1 distance, bit distance, 1 - |a&b|/|a|b|."""

    COSINE = "cosine"
    DOT = "dot"
    EUCLIDEAN = "euclidean"
    MANHATTAN = "manhattan"
    HAMMING = "hamming"
    JACCARD = "jaccard"

    @property
    def larger_is_nearer(self) -> bool:
        return self in (Metric.COSINE, Metric.DOT)


class DType(StrEnum):
    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"
    INT8 = "int8"
    UINT8 = "uint8"
    BINARY = "binary"


class VectorKind(StrEnum):
    DENSE = "dense"
    SPARSE = "sparse"
    MULTI = "multi"


class IdKind(StrEnum):
    """INT64 signed; UINT64_OR_UUID is Qdrant's union; STRING is any text; UUID only UUIDs."""

    INT64 = "int64"
    UINT64_OR_UUID = "uint64_or_uuid"
    STRING = "string"
    UUID = "uuid"


class FieldType(StrEnum):
    BOOL = "bool"
    INT8 = "int8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    STRING = "string"
    JSON = "json"
    ARRAY = "array"
    DATETIME = "datetime"
    UUID = "uuid"
    GEO = "geo"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class VectorField:
    """`dim` in components (bits for BINARY, 0 for SPARSE). `metric` is None until an index names it."""

    name: str
    kind: VectorKind
    dim: int
    metric: Metric | None
    dtype: DType = DType.FLOAT32
    index: Mapping[str, Any] = field(default_factory=dict)
    """The product's own index parameters as it printed them, for showing them again and for a same-product target."""


@dataclass(frozen=True, slots=True)
class Field:
    """A declared payload field. `element` is the element type of ARRAY, `index` the kind of its payload index or None."""

    name: str
    type: FieldType
    element: FieldType | None = None
    max_length: int | None = None
    nullable: bool = False
    default: Any = None
    index: str | None = None


@dataclass(frozen=True, slots=True)
class Schema:
    """What a collection is. `partitions` lists the non-default ones, in order of creation.

    `native` keeps what only the product that declared it can read (JSON values; Milvus: field order, type params, ids,
    description, consistency level, index names ...), so that a frontend can describe the collection exactly after cutover.
    """

    collection: str
    vectors: Mapping[str, VectorField]
    fields: Mapping[str, Field] = field(default_factory=dict)
    id_kind: IdKind = IdKind.INT64
    id_name: str = "id"
    auto_id: bool = False
    dynamic: bool = True
    partitions: tuple[str, ...] = ()
    partition_key: str | None = None
    native: Mapping[str, Any] = field(default_factory=dict)

    @property
    def refusals(self) -> tuple[str, ...]:
        return tuple(self.native.get(REFUSALS, ()))

    def with_partitions(self, partitions: tuple[str, ...]) -> Schema:
        return replace(self, partitions=partitions)
