"""Adding and removing named vectors of a collection.

Owns: the checks. An operation of this kind that fails inside the engine stays in its write-ahead log, and the collection never
loads again, so nothing doubtful may reach it.
"""

from __future__ import annotations

from collections.abc import Callable

import qdrant_edge as edge
from qdrant_client import models

from proxy.errors import Refused
from proxy.local.qdrant.collection import Collection
from proxy.local.qdrant.engine import twin
from proxy.local.qdrant.errors import WRONG_INPUT, Fault
from proxy.local.qdrant.settings import check_vector_name, check_vector_size, modifier
from proxy.qdrant.settings import dense_params, sparse_params, with_vector, without_vector

_ENGINE = edge.UpdateOperation


def create_vector(collection: Collection, name: str, config: models.VectorNameConfig) -> int:
    """Persisted by the caller's `registry.save()`. Raises Fault when the name has another configuration."""
    check_vector_name(name)
    settings = _changed(lambda: with_vector(collection.settings, name, config))
    number = collection.update(_creation(name, config))
    collection.settings = settings
    return number


def _creation(name: str, config: models.VectorNameConfig) -> edge.UpdateOperation:
    if isinstance(config, models.DenseVectorNameConfig):
        check_vector_size(config.dense.size)
        params = dense_params(config.dense)
        multivector = twin(params.multivector_config)
        return _ENGINE.create_dense_vector(name, params.size, twin(params.distance), multivector, twin(params.datatype))
    index = sparse_params(config.sparse).index
    return _ENGINE.create_sparse_vector(name, modifier(config.sparse.modifier), twin(index.datatype if index else None))


def delete_vector(collection: Collection, name: str) -> int:
    """Persisted by the caller's `registry.save()`."""
    settings = _changed(lambda: without_vector(collection.settings, name))
    number = collection.update(_ENGINE.delete_vector_name(name))
    collection.settings = settings
    return number


def _changed(change: Callable[[], models.CreateCollection]) -> models.CreateCollection:
    try:
        return change()
    except Refused as error:
        raise Fault(WRONG_INPUT, str(error)) from None
