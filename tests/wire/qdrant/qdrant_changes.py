"""Every change of a collection that the official client can ask for, those that are refused among them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from qdrant_client import QdrantClient
from qdrant_client import models as m

A: Final = "a b/ü%"
"""A name that no path holds as it is."""
B: Final = "b"
ALIAS: Final = "alias"

CHANGES: Final[Mapping[str, Callable[[QdrantClient], Any]]] = {
    "create with one vector": lambda c: c.create_collection(
        A.replace("/", "."),
        m.VectorParams(size=4, distance=m.Distance.COSINE, on_disk=True, hnsw_config=m.HnswConfigDiff(m=8)),
        hnsw_config=m.HnswConfigDiff(ef_construct=64),
        optimizers_config=m.OptimizersConfigDiff(indexing_threshold=20_000),
        quantization_config=m.ScalarQuantization(scalar=m.ScalarQuantizationConfig(type=m.ScalarType.INT8, quantile=0.9)),
        on_disk_payload=False,
        metadata={"owner": "x"},
    ),
    "create with several": lambda c: c.create_collection(
        B,
        {
            "d": m.VectorParams(size=2, distance=m.Distance.MANHATTAN, datatype=m.Datatype.FLOAT16),
            "multi": m.VectorParams(
                size=3,
                distance=m.Distance.DOT,
                multivector_config=m.MultiVectorConfig(comparator=m.MultiVectorComparator.MAX_SIM),
            ),
        },
        sparse_vectors_config={"s": m.SparseVectorParams(modifier=m.Modifier.IDF, index=m.SparseIndexParams(on_disk=True))},
    ),
    "create again": lambda c: c.create_collection(B, m.VectorParams(size=2, distance=m.Distance.DOT)),
    "update": lambda c: c.update_collection(
        B,
        vectors_config={"d": m.VectorParamsDiff(on_disk=True)},
        optimizers_config=m.OptimizersConfigDiff(indexing_threshold=5),
        metadata={"more": 1},
    ),
    "update of an unknown vector": lambda c: c.update_collection(B, vectors_config={"x": m.VectorParamsDiff(on_disk=True)}),
    "update of an unknown collection": lambda c: c.update_collection("x", optimizers_config=m.OptimizersConfigDiff()),
    "index": lambda c: c.create_payload_index(B, "city", m.PayloadSchemaType.KEYWORD),
    "index with parameters": lambda c: c.create_payload_index(
        B, "text", m.TextIndexParams(type=m.TextIndexType.TEXT, tokenizer=m.TokenizerType.WORD, lowercase=True)
    ),
    "index of a nested field": lambda c: c.create_payload_index(B, "deep.n", m.IntegerIndexParams(
        type=m.IntegerIndexType.INTEGER, lookup=True, range=False
    )),
    "index without waiting": lambda c: c.create_payload_index(B, "when", m.PayloadSchemaType.DATETIME, wait=False),
    "drop an index": lambda c: c.delete_payload_index(B, "city"),
    "drop no index": lambda c: c.delete_payload_index(B, "nothing"),
    "add a vector": lambda c: c.create_vector_name(
        B, "new", m.DenseVectorNameConfig(dense=m.DenseVectorConfig(size=5, distance=m.Distance.EUCLID))
    ),
    "add a sparse vector": lambda c: c.create_vector_name(B, "new_s", m.SparseVectorNameConfig(sparse=m.SparseVectorConfig())),
    "add a vector twice": lambda c: c.create_vector_name(
        B, "new", m.DenseVectorNameConfig(dense=m.DenseVectorConfig(size=5, distance=m.Distance.EUCLID))
    ),
    "drop a vector": lambda c: c.delete_vector_name(B, "multi"),
    "drop no vector": lambda c: c.delete_vector_name(B, "multi"),
    "alias": lambda c: c.update_collection_aliases([_create(ALIAS, B)]),
    "alias of nothing": lambda c: c.update_collection_aliases([_create("x", "nowhere")]),
    "alias like a collection": lambda c: c.update_collection_aliases([_create(B, B)]),
    "several aliases": lambda c: c.update_collection_aliases([
        _create("one", B), _create("two", B), _drop(ALIAS), _rename("two", "three"), _create(ALIAS, A.replace("/", ".")),
    ]),
    "rename an alias": lambda c: c.update_collection_aliases([_rename("one", "uno")]),
    "rename no alias": lambda c: c.update_collection_aliases([_rename("one", "eins")]),
    "drop an alias": lambda c: c.update_collection_aliases([_drop("three")]),
    "through an alias": lambda c: c.create_payload_index("uno", "by_alias", m.PayloadSchemaType.BOOL),
    "drop": lambda c: c.delete_collection(A.replace("/", ".")),
}  # fmt: skip


def _create(alias: str, collection: str) -> m.CreateAliasOperation:
    return m.CreateAliasOperation(create_alias=m.CreateAlias(collection_name=collection, alias_name=alias))


def _drop(alias: str) -> m.DeleteAliasOperation:
    return m.DeleteAliasOperation(delete_alias=m.DeleteAlias(alias_name=alias))


def _rename(old: str, new: str) -> m.RenameAliasOperation:
    return m.RenameAliasOperation(rename_alias=m.RenameAlias(old_alias_name=old, new_alias_name=new))
