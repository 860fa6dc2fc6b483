"""Adding and removing named vectors of a collection.

Owns: the checks. An operation of this kind that fails inside the engine stays in its write-ahead log, and the collection never
loads again, so nothing doubtful may reach it.
"""

from __future__ import annotations

from typing import Any

import qdrant_edge as edge
from qdrant_client import models

from proxy.local.qdrant.collection import Collection
from proxy.local.qdrant.engine import twin
from proxy.local.qdrant.errors import WRONG_INPUT, Fault
from proxy.local.qdrant.settings import check_vector_name, check_vector_size, modifier
from proxy.qdrant.settings import dense_by_name

_ENGINE = edge.UpdateOperation


def create_vector(collection: Collection, name: str, config: models.VectorNameConfig) -> int:
    """Persisted by the caller's `registry.save()`. Raises Fault when the name has another configuration."""
    check_vector_name(name)
    settings = collection.settings
    if isinstance(settings.vectors, models.VectorParams):
        raise Fault(WRONG_INPUT, "a collection with one unnamed vector cannot have named ones")
    if name in dense_by_name(settings) or name in (settings.sparse_vectors or {}):
        raise Fault(WRONG_INPUT, f"vector '{name}' already exists")
    if isinstance(config, models.DenseVectorNameConfig):
        return _create_dense(collection, name, config.dense)
    return _create_sparse(collection, name, config.sparse)


def _create_dense(collection: Collection, name: str, config: models.DenseVectorConfig) -> int:
    check_vector_size(config.size)
    datatype = models.Datatype(config.datatype.value) if config.datatype is not None else None
    number = collection.update(
        _ENGINE.create_dense_vector(name, config.size, twin(config.distance), twin(config.multivector_config), twin(datatype))
    )
    params = models.VectorParams(
        size=config.size, distance=config.distance, multivector_config=config.multivector_config, datatype=datatype
    )
    _set_vectors(collection, {**dense_by_name(collection.settings), name: params}, collection.settings.sparse_vectors)
    return number


def _create_sparse(collection: Collection, name: str, config: models.SparseVectorConfig) -> int:
    datatype = models.Datatype(config.datatype.value) if config.datatype is not None else None
    number = collection.update(_ENGINE.create_sparse_vector(name, modifier(config.modifier), twin(datatype)))
    index = models.SparseIndexParams(datatype=datatype) if datatype is not None else None
    params = models.SparseVectorParams(modifier=config.modifier, index=index)
    _set_vectors(collection, collection.settings.vectors, {**(collection.settings.sparse_vectors or {}), name: params})
    return number


def delete_vector(collection: Collection, name: str) -> int:
    """Persisted by the caller's `registry.save()`."""
    dense = dense_by_name(collection.settings)
    sparse = dict(collection.settings.sparse_vectors or {})
    if isinstance(collection.settings.vectors, models.VectorParams) or name not in (*dense, *sparse):
        raise Fault(WRONG_INPUT, f"Not existing vector name error: {name}")
    number = collection.update(_ENGINE.delete_vector_name(name))
    _set_vectors(collection, {k: v for k, v in dense.items() if k != name}, {k: v for k, v in sparse.items() if k != name})
    return number


def _set_vectors(collection: Collection, dense: Any, sparse: Any) -> None:
    collection.settings = collection.settings.model_copy(update={"vectors": dense or None, "sparse_vectors": sparse or None})
