"""From a collection's settings to the engine's configuration, and their checks.

Owns: what may be created. Not: how settings are told back (describe).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import qdrant_edge as edge
from pydantic import BaseModel
from qdrant_client import models

from proxy.local.qdrant.engine import twin
from proxy.local.qdrant.errors import VALIDATION, WRONG_INPUT, Fault, absent
from proxy.qdrant.settings import HNSW_DEFAULTS, dense_by_name, given

MAX_VECTOR_SIZE: Final = 65_536
MAX_VECTOR_NAME_BYTES: Final = 200
MAX_COLLECTION_NAME: Final = 255
_BAD_IN_NAMES: Final = frozenset('<>:"/\\|?*\0\x1f')

_OPTIMIZER_FIELDS: Final = (
    "deleted_threshold",
    "vacuum_min_vector_number",
    "default_segment_number",
    "max_segment_size",
    "indexing_threshold",
    "prevent_unoptimized",
)


def engine_config(settings: models.CreateCollection) -> edge.EdgeConfig:
    """Raises Fault for settings that the engine cannot hold; those that it would only choke on later are refused here too."""
    _check(settings)
    return edge.EdgeConfig(
        vectors=_dense(settings),
        sparse_vectors={name: _sparse(params) for name, params in (settings.sparse_vectors or {}).items()} or None,
        on_disk_payload=settings.on_disk_payload,
        hnsw_config=_hnsw(settings.hnsw_config, HNSW_DEFAULTS),
        quantization_config=_quantization(settings.quantization_config),
        optimizers=_optimizers(settings.optimizers_config),
        payload_memory=twin(settings.payload.memory) if settings.payload else None,
        id_tracker_memory=twin(settings.id_tracker.memory) if settings.id_tracker else None,
    )


def check_collection_name(name: str) -> None:
    if not 0 < len(name) <= MAX_COLLECTION_NAME or _BAD_IN_NAMES & set(name):
        raise Fault(VALIDATION, f"[collection_name: {name!r} is not a valid collection name]")


def check_vector_name(name: str) -> None:
    """The engine makes a directory of this name, and a collection whose log holds a failing one never loads again."""
    if name.startswith(".") or {"/", "\0"} & set(name) or len(name.encode()) > MAX_VECTOR_NAME_BYTES:
        raise Fault(WRONG_INPUT, f"invalid vector name {name!r}: at most {MAX_VECTOR_NAME_BYTES} bytes, no '/', no leading '.'")


def check_vector_size(size: int) -> None:
    if not 1 <= size <= MAX_VECTOR_SIZE:
        raise Fault(VALIDATION, f"[vectors.size: value {size} invalid, must be from 1 to {MAX_VECTOR_SIZE}]")


def refuse_strict_mode(strict: models.StrictModeConfig | None) -> None:
    if strict is not None and strict.enabled:
        raise absent("strict mode is")


def _check(settings: models.CreateCollection) -> None:
    if settings.sharding_method == models.ShardingMethod.CUSTOM:
        raise absent("custom sharding (shard keys) is")
    refuse_strict_mode(settings.strict_mode_config)
    dense = dense_by_name(settings)
    sparse = settings.sparse_vectors or {}
    if not dense and not sparse:
        raise Fault(WRONG_INPUT, "a collection needs at least one vector: one without any is not available in the local server")
    if both := dense.keys() & sparse.keys():
        raise Fault(WRONG_INPUT, f"vector name {min(both)!r} is used for a dense and a sparse vector")
    for name in (*dense, *sparse):
        check_vector_name(name)
    for params in dense.values():
        check_vector_size(params.size)


def _dense(settings: models.CreateCollection) -> Any:
    vectors = {name: _vector(params, settings.hnsw_config) for name, params in dense_by_name(settings).items()}
    return vectors[""] if isinstance(settings.vectors, models.VectorParams) else vectors or None


def _vector(params: models.VectorParams, shared: models.HnswConfigDiff | None) -> edge.EdgeVectorParams:
    return edge.EdgeVectorParams(
        params.size,
        twin(params.distance),
        on_disk=params.on_disk,
        multivector_config=twin(params.multivector_config),
        datatype=twin(params.datatype),
        quantization_config=_quantization(params.quantization_config),
        hnsw_config=_hnsw(params.hnsw_config, {**HNSW_DEFAULTS, **(given(shared) if shared else {})}),
        memory=twin(params.memory),
    )


def _sparse(params: models.SparseVectorParams) -> edge.EdgeSparseVectorParams:
    index = params.index or models.SparseIndexParams()
    return edge.EdgeSparseVectorParams(modifier=modifier(params.modifier), **{k: twin(v) for k, v in given(index).items()})


def modifier(found: models.Modifier | None) -> edge.Modifier | None:
    return None if found in (None, models.Modifier.NONE) else twin(found)


def _hnsw(diff: models.HnswConfigDiff | None, defaults: Mapping[str, Any]) -> edge.HnswIndexConfig | None:
    if diff is None:
        return None
    return edge.HnswIndexConfig(**{name: twin(value) for name, value in {**defaults, **given(diff)}.items()})


def _quantization(found: BaseModel | None) -> Any:
    """The REST form wraps each kind in an object with one field: {"scalar": {...}}."""
    if found is None:
        return None
    (inner,) = given(found).values()
    return twin(inner)


def _optimizers(diff: models.OptimizersConfigDiff | None) -> edge.EdgeOptimizersConfig | None:
    if diff is None:
        return None
    return edge.EdgeOptimizersConfig(**{name: value for name, value in given(diff).items() if name in _OPTIMIZER_FIELDS})
