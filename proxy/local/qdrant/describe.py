"""A collection's settings as the server tells them back, and the merging of a PATCH into them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel
from qdrant_client import models

from proxy.local.qdrant.engine import given
from proxy.local.qdrant.errors import WRONG_INPUT, Fault
from proxy.local.qdrant.settings import HNSW_DEFAULTS, refuse_strict_mode

_OPTIMIZER_DEFAULTS: Final[Mapping[str, Any]] = {
    "deleted_threshold": 0.2,
    "vacuum_min_vector_number": 1000,
    "default_segment_number": 0,
    "indexing_threshold": 10_000,
    "flush_interval_sec": 5,
}
_WAL_DEFAULTS: Final[Mapping[str, Any]] = {"wal_capacity_mb": 32, "wal_segments_ahead": 0, "wal_retain_closed": 1}
_PARAMS: Final = (
    "vectors",
    "sparse_vectors",
    "sharding_method",
    "shard_number",
    "replication_factor",
    "write_consistency_factor",
    "on_disk_payload",
    "payload",
    "id_tracker",
)
_PARAMS_DEFAULTS: Final[Mapping[str, Any]] = {
    "shard_number": 1,
    "replication_factor": 1,
    "write_consistency_factor": 1,
    "on_disk_payload": True,
}


def collection_config(settings: models.CreateCollection) -> models.CollectionConfig:
    told = given(settings)
    optimizers = {**_OPTIMIZER_DEFAULTS, **_plain(settings.optimizers_config)}
    if optimizers.get("max_optimization_threads") == models.MaxOptimizationThreadsSetting.AUTO:
        del optimizers["max_optimization_threads"]
    params: dict[str, Any] = {**_PARAMS_DEFAULTS, **{name: told[name] for name in _PARAMS if name in told}}
    return models.CollectionConfig(
        params=models.CollectionParams(**params),
        hnsw_config=models.HnswConfig(**{**HNSW_DEFAULTS, "on_disk": False, **_plain(settings.hnsw_config)}),
        optimizer_config=models.OptimizersConfig(**optimizers),
        wal_config=models.WalConfig(**{**_WAL_DEFAULTS, **_plain(settings.wal_config)}),
        quantization_config=settings.quantization_config,
        strict_mode_config=models.StrictModeConfigOutput(enabled=False) if settings.strict_mode_config else None,
        metadata=settings.metadata,
    )


def patched(settings: models.CreateCollection, patch: models.UpdateCollection) -> models.CreateCollection:
    """The settings after a PATCH: given fields replace, the rest stays. Raises Fault for a vector that does not exist."""
    refuse_strict_mode(patch.strict_mode_config)
    fields = {
        "hnsw_config": _merged(models.HnswConfigDiff, settings.hnsw_config, patch.hnsw_config),
        "optimizers_config": _merged(models.OptimizersConfigDiff, settings.optimizers_config, patch.optimizers_config),
        "quantization_config": _quantization(settings.quantization_config, patch.quantization_config),
        "strict_mode_config": patch.strict_mode_config or settings.strict_mode_config,
        "metadata": {**(settings.metadata or {}), **(patch.metadata or {})} or None,
        "vectors": _vectors(settings.vectors, patch.vectors or {}),
        "sparse_vectors": _sparse(settings.sparse_vectors, patch.sparse_vectors or {}),
        **{name: value for name, value in _plain(patch.params).items() if name in models.CreateCollection.model_fields},
    }
    return settings.model_copy(update=fields)


def _plain(model: BaseModel | None) -> dict[str, Any]:
    return given(model) if model is not None else {}


def _merged(kind: type[BaseModel], before: BaseModel | None, patch: BaseModel | None) -> Any:
    merged = {**_plain(before), **_plain(patch)}
    return kind(**merged) if merged else None


def _quantization(before: Any, patch: Any) -> Any:
    if patch is None:
        return before
    return None if isinstance(patch, models.Disabled) else patch


def _vectors(before: Any, patch: Mapping[str, models.VectorParamsDiff]) -> Any:
    if isinstance(before, models.VectorParams):
        named = _each_vector({"": before}, patch)
        return named[""]
    return _each_vector(before, patch) if before else before


def _each_vector(
    before: Mapping[str, models.VectorParams], patch: Mapping[str, models.VectorParamsDiff]
) -> dict[str, models.VectorParams]:
    _check_known(before, patch)
    return {name: _vector(params, patch[name]) if name in patch else params for name, params in before.items()}


def _vector(params: models.VectorParams, patch: models.VectorParamsDiff) -> models.VectorParams:
    fields = {
        **given(patch),
        "hnsw_config": _merged(models.HnswConfigDiff, params.hnsw_config, patch.hnsw_config),
        "quantization_config": _quantization(params.quantization_config, patch.quantization_config),
    }
    return params.model_copy(update=fields)


def _sparse(before: Mapping[str, models.SparseVectorParams] | None, patch: Mapping[str, models.SparseVectorParams]) -> Any:
    _check_known(before or {}, patch)
    return {**(before or {}), **patch} or None


def _check_known(before: Mapping[str, Any], patch: Mapping[str, Any]) -> None:
    for name in patch:
        if name not in before:
            raise Fault(WRONG_INPUT, f"Not existing vector name error: {name}")
